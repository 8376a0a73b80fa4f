// A deep link for the support tool, with everything it needs in the query.
function link(base, parts, query) {
  const url = new URL(parts.map(encodeURIComponent).join('/'), base);
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const each of [].concat(value)) url.searchParams.append(key, each);
  }
  url.hash = 'timeline';
  return url.href;
}

async function onTrack(event, settings) {
  const { order, tags, note } = event.properties;
  event.properties.support_link = link(settings.base, ['people', event.userId], { order, tag: tags, q: note });
  event.properties.host = new URL(event.properties.support_link).host;
  return event;
}
