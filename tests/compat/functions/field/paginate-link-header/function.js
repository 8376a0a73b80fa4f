// GitHub style: the next page is in the Link header.
function nextOf(header) {
  const found = (header || '').split(',').map((part) => part.match(/<([^>]+)>;\s*rel="(\w+)"/)).find((m) => m && m[2] === 'next');
  return found ? found[1] : null;
}

async function onGroup(event, settings) {
  let url = `https://code.example/orgs/${event.groupId}/repos?per_page=2`;
  let total = 0, requests = 0;
  do {
    if (++requests > 5) {
      console.warn('more than five pages, counting no further');
      break;
    }
    const res = await fetch(url);
    if (res.status === 404) return event;
    total += (await res.json()).length;
    url = nextOf(res.headers.get('link'));
  } while (url);
  event.traits = Object.assign(event.traits || {}, { repositories: total });
  return event;
}
