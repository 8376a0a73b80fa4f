// The classic: forgetting an await.
async function save(event) {
  const res = await fetch('https://store.example/save', { method: 'POST', body: event.userId });
  if (!res.ok) throw new Error('not saved: ' + res.status);
  return res.status;
}

async function onTrack(event) {
  const status = save(event); // not awaited
  event.properties = { saved: typeof status, status: status.status };
  await new Promise((resolve) => setTimeout(resolve, 50));
  return event;
}

async function onIdentify(event) {
  event.traits = save(event); // a promise is no trait
  await event.traits;
  return event;
}
