// Three services at once; two of them may fail.
async function getJson(url) {
  const res = await fetch(url, { headers: { accept: 'application/json' } });
  if (!res.ok) throw new Error(`${new URL(url).hostname}: ${res.status}`);
  return res.json();
}

async function onIdentify(event, settings) {
  const id = encodeURIComponent(event.userId);
  const [crm, billing, support] = await Promise.allSettled([
    getJson(`https://crm.example/people/${id}`),
    getJson(`https://billing.example/customers/${id}`),
    getJson(`https://support.example/users/${id}/tickets?open=1`),
  ]);

  if (crm.status === 'rejected') throw new RetryError(crm.reason.message);
  const failed = [billing, support].filter((each) => each.status === 'rejected');
  failed.forEach((each) => console.error(each.reason.message));

  event.traits = {
    ...event.traits,
    owner: crm.value.owner,
    mrr: billing.value?.mrr ?? 0,
    open_tickets: support.value?.tickets.length,
  };
  return event;
}

async function onTrack(event) {
  const answers = await Promise.all(event.properties.ids.map((id) => getJson('https://crm.example/items/' + id)));
  event.properties.names = answers.map((a) => a.name);
  return event;
}
