async function locate(ip, settings) {
  const url = new URL('https://geo.example/v1/lookup');
  url.searchParams.set('ip', ip);
  url.searchParams.set('key', settings.geoKey);
  url.searchParams.set('fields', 'country,city,timezone');
  const res = await fetch(url);
  if (res.status === 404) return null;
  if (res.status === 429) throw new RetryError('geo quota is used up');
  if (!res.ok) {
    console.warn(`geo lookup answered ${res.status} ${res.statusText}`);
    return null;
  }
  return res.json();
}

async function enrich(event, settings) {
  const ip = event.context?.ip;
  if (!ip || /^(10\.|192\.168\.|127\.)/.test(ip)) return event;
  const place = await locate(ip, settings);
  event.context.location ??= {};
  Object.assign(event.context.location, place ?? { country: 'unknown' });
  if (!settings.keepIp) delete event.context.ip;
  return event;
}

async function onTrack(event, settings) { return enrich(event, settings); }
async function onPage(event, settings) { return enrich(event, settings); }
