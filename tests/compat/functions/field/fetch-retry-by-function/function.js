const fetchWithRetry = fetchretrylib.fetchretry(fetch);

async function post(url, body) {
  return fetchWithRetry(url, {
    method: 'POST',
    body: JSON.stringify(body),
    retryOn(attempt, error, response) {
      if (attempt >= 3) return false;
      if (error !== null) return true;
      console.log(`attempt ${attempt}: ${response.status}`);
      return response.status === 425 || response.status >= 500;
    },
    retryDelay: (attempt) => 2 ** attempt,
  });
}

async function onGroup(event) {
  const res = await post('https://accounts.example/sync', { id: event.groupId });
  if (!res.ok) {
    const kind = res.status >= 500 ? RetryError : InvalidEventPayload;
    throw new kind('sync answered ' + res.status);
  }
  return event;
}
