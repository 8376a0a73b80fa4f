async function onBatch(events, settings) {
  const kept = [];
  for (const event of events) {
    if (event.type === 'track' && event.event.startsWith('Internal ')) continue;
    kept.push(event);
  }
  return kept;
}

async function onTrack(event) {
  const [kept] = await onBatch([event]);
  return kept;
}
