const ENDPOINT = 'https://pixel.example/collect';

async function onTrack(event, settings) {
  const form = new URLSearchParams({ v: '1', tid: settings.trackingId, cid: event.anonymousId || event.userId, ea: event.event });
  if (event.properties && event.properties.value) form.set('ev', Math.round(event.properties.value));
  form.append('dl', event.context?.page?.url ?? '');
  form.sort();

  const response = await fetch(ENDPOINT, { method: 'POST', body: form, headers: { 'User-Agent': 'our-function/1.0' } });
  if (response.status >= 500) throw new RetryError('pixel: ' + response.status);
  const type = response.headers.get('Content-Type') || '';
  if (!type.startsWith('image/gif')) console.warn('odd answer of type', type, 'to', response.url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  event.properties = { ...event.properties, pixel: bytes.length };
  return event;
}
