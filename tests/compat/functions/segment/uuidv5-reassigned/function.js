// The package sits one level down; people put it where they expect it.
uuidv5 = uuidv5.uuidv5;

async function onIdentify(event, settings) {
  event.userId = uuidv5(settings.namespace || 'dns', event.userId);
  return event;
}

async function onTrack(event, settings) {
  event.messageId = uuidv5('url', `https://shop.example/${event.event}/${event.properties.order_id}`);
  return event;
}
