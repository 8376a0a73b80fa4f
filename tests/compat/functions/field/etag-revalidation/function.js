let known = { etag: null, rules: [] };

async function rules() {
  const headers = new Headers({ Accept: 'application/json' });
  if (known.etag) headers.set('If-None-Match', known.etag);
  const res = await fetch(new Request('https://config.example/rules', { headers }));
  if (res.status !== 304) {
    if (!res.ok) throw new RetryError('no rules');
    known = { etag: res.headers.get('etag'), rules: await res.json() };
  }
  return known.rules;
}

async function onTrack(event) {
  const rule = (await rules()).find(({ match }) => new RegExp(match, 'i').test(event.event));
  if (rule?.drop) throw new DropEvent(`rule ${rule.match}`);
  event.properties = { ...event.properties, ...rule?.set };
  return event;
}
