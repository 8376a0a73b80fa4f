async function onBatch(events, settings) {
  console.log('batch of', events.length);
  return events.map((event) => {
    event.context = { ...event.context, batched: true };
    return event;
  });
}

// Batches may be skipped when traffic is low: the single handler has to do the same.
async function onTrack(event, settings) {
  event.context = { ...event.context, batched: false };
  return event;
}
