async function onTrack(event, settings) {
  console.log('Received', event.event);
  console.log(event.properties);
  console.info('%s has %d items', event.userId, event.properties.items.length);
  console.warn('careful');
  console.error(new Error('only logged').message);
  console.debug({ nested: { list: [1, 2, 3] } }, true, null, undefined);
  console.log('key is', settings.apiKey);
  return event;
}

async function onPage(event, settings) {
  console.log('a page, never returned', event.name);
}
