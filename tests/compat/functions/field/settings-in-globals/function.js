// Reads settings into globals at the first event, against all advice: one instance has a process of its own.
let apiBase;
let headers;

function configure(settings) {
  apiBase = settings.base.replace(/\/+$/, '');
  headers = new Headers([['X-Team', settings.team]]);
  Object.freeze(settings);
}

async function onTrack(event, settings) {
  if (!apiBase) configure(settings);
  settings.team = 'changed'; // no effect, and no error without strict mode
  const res = await fetch(`${apiBase}/teams/${encodeURIComponent(settings.team)}`, { headers });
  event.context = Object.assign({}, event.context, { team: await res.json() });
  return event;
}
