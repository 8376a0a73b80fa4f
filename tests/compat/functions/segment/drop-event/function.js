async function onTrack(event, settings) {
  const value = event.properties ? event.properties.value : undefined;

  if (value === undefined) {
    throw new ValidationError('value is required');
  }
  if (value < settings.minimum * 1) {
    throw new DropEvent(`${value} is below ${settings.minimum}`);
  }
  return event;
}

async function onIdentify(event, settings) {
  if (event.traits.email.endsWith('@example.com')) throw new DropEvent();
  return event;
}
