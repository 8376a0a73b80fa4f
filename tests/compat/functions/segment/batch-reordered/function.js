// Returned grouped by user: each event is still told apart by its messageId.
async function onBatch(events, settings) {
  const groups = new Map();
  for (const event of events) {
    const list = groups.get(event.userId) ?? [];
    list.push(event);
    groups.set(event.userId, list);
  }
  const out = [];
  for (const [user, list] of [...groups].sort()) {
    list.forEach((event, index) => out.push({ ...event, properties: { user, index } }));
  }
  return out;
}
