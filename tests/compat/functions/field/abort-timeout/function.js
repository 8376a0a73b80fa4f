async function fetchWithin(ms, url, options = {}) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  try {
    return await fetch(url, { ...options, signal: controller.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function onTrack(event, settings) {
  try {
    const res = await fetchWithin(1000, 'https://slow.example/segments/' + event.userId);
    const body = await res.json();
    event.properties = { ...event.properties, segments: body.segments };
  } catch (err) {
    if (err.name === 'AbortError') {
      console.warn('gave up after a second');
      event.properties = { ...event.properties, segments: null };
      return event;
    }
    throw err;
  }
  return event;
}

async function onIdentify(event) {
  const res = await fetch('https://slow.example/traits', { signal: AbortSignal.timeout(100) });
  event.traits = await res.json();
  return event;
}
