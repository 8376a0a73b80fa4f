const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function withRetries(work, { times = 3, wait = 10 } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      console.log(`attempt ${attempt}: ${error.message}`);
      if (attempt >= times) throw new RetryError(`gave up after ${times}`);
      await sleep(wait * 2 ** attempt);
    }
  }
}

async function onTrack(event) {
  const body = await withRetries(async (attempt) => {
    const res = await fetch('https://flaky.example/x', { headers: { 'x-attempt': String(attempt) } });
    if (!res.ok) throw new Error('HTTP ' + res.status);
    return res.json();
  });
  event.properties = { ...event.properties, ...body };
  return event;
}
