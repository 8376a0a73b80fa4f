async function onGroup(event, settings) {
  if (!event.traits || !event.traits.company) {
    throw new InvalidEventPayload('Company name is required');
  }
  return event;
}

async function onPage(event, settings) {
  if (!event.properties || !event.properties.pageName) {
    throw new ValidationError('Page name is required');
  }
  return event;
}

async function onScreen(event, settings) {
  throw new EventNotSupported('screen events are not supported');
}
