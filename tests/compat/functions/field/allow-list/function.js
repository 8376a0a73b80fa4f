const ALLOWED = {
  'Product Viewed': ['product_id', 'category', 'price'],
  'Order Completed': ['order_id', 'total', 'currency', 'products'],
};

async function onTrack(event, settings) {
  const extra = settings.extraEvents || [];
  if (!(event.event in ALLOWED) && !extra.includes(event.event)) {
    throw new DropEvent('not on the allow list: ' + event.event);
  }
  const allowed = ALLOWED[event.event];
  if (allowed) {
    const removed = [];
    for (const name in event.properties) {
      if (allowed.indexOf(name) < 0) {
        delete event.properties[name];
        removed.push(name);
      }
    }
    if (removed.length) console.info('removed', removed.join(', '));
  }
  return event;
}
