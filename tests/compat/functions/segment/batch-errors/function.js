async function onBatch(events, settings) {
  return Promise.all(
    events.map(async (event) => {
      try {
        return await one(event);
      } catch (error) {
        return error; // this event's own outcome
      }
    })
  );
}

async function onTrack(event) {
  return one(event);
}

async function one(event) {
  switch (event.event) {
    case 'bad':
      throw new InvalidEventPayload('bad one');
    case 'later':
      throw new RetryError('later, please');
    case 'drop':
      throw new DropEvent('not wanted');
    case 'bug':
      return event.properties.list[0];
    default:
      return event;
  }
}
