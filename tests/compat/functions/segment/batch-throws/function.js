async function onBatch(events, settings) {
  const response = await fetch('https://bulk.example/v1/import', {
    method: 'POST',
    headers: { authorization: 'Bearer ' + settings.token },
    body: JSON.stringify({ events })
  });
  if (response.status >= 500) throw new RetryError('import is down: ' + response.status);
  if (!response.ok) throw new Error('import refused: ' + response.status);
  return events;
}

async function onTrack(event, settings) {
  const [done] = await onBatch([event], settings);
  return done;
}
