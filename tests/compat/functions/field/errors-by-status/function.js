async function call(url, body) {
  let res;
  try {
    res = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  } catch (e) {
    throw new RetryError(`no answer: ${e.cause?.code ?? e.message}`);
  }
  if (res.ok) return res.status === 204 ? null : res.json();

  const text = await res.text();
  switch (true) {
    case res.status === 400 || res.status === 422:
      throw new InvalidEventPayload(`${res.status}: ${text.slice(0, 40)}`);
    case res.status === 404:
      throw new DropEvent('not known there');
    case res.status === 409:
      return { duplicate: true };
    case res.status === 415:
      throw new EventNotSupported('not that kind');
    case res.status === 408 || res.status === 429 || res.status >= 500:
      throw new RetryError(`${res.status}, after ${res.headers.get('retry-after') ?? 'some'} seconds`);
    default:
      throw new Error(`unexpected answer ${res.status}`);
  }
}

async function onTrack(event) {
  const answer = await call('https://upstream.example/' + event.event, { id: event.userId });
  event.properties = { ...event.properties, answer };
  return event;
}
