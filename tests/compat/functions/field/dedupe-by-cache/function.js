// The first of each order within a day wins.
const DAY = 24 * 60 * 60 * 1000;

async function onTrack(event, settings) {
  const key = event.properties && event.properties.order_id;
  if (!key) return event;
  const first = await cache.load(`${event.event}:${key}`, DAY, async () => event.messageId);
  if (first !== event.messageId) {
    throw new DropEvent(`order ${key} was in ${first} already`);
  }
  return event;
}
