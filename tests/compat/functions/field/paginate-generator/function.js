async function* pages(url, settings) {
  while (url) {
    const res = await fetch(url, { headers: { authorization: `Bearer ${settings.token}` } });
    if (!res.ok) throw new RetryError(`page ${url} answered ${res.status}`);
    const { items, next } = await res.json();
    yield* items;
    url = next;
  }
}

async function onIdentify(event, settings) {
  const owned = [];
  for await (const item of pages(`https://api.example/licences?user=${event.userId}`, settings)) {
    if (item.state !== 'active') continue;
    owned.push(item.product);
    if (owned.length === 4) break;
  }
  event.traits = { ...event.traits, owned };
  return event;
}
