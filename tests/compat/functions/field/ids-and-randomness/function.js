async function onTrack(event, settings) {
  const id = crypto.randomUUID();
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)) throw new Error('no UUID: ' + id);
  const stable = crypto.createHash('sha256').update(`${event.userId}|${event.event}|${event.timestamp}`).digest('hex');
  event.properties = {
    ...event.properties,
    attempt_id: id,
    idempotency_key: [stable.slice(0, 8), stable.slice(8, 12), stable.slice(12, 16)].join('-'),
    dice: 1 + Math.floor(Math.random() * 6),
    at: Date.now(),
  };
  if (event.properties.expires && event.properties.expires < new Date().toISOString()) throw new DropEvent('expired');
  return event;
}
