async function onTrack(event, settings) {
  try {
    const res = await fetch('https://api.example/score?user=' + event.userId);
    if (!res.ok) throw new Error('HTTP ' + res.status);
    const body = await res.json();
    event.properties = { ...event.properties, score: body.score };
  } catch (error) {
    console.error('scoring failed', error.message);
    // a second argument, as one of the documented examples passes it
    throw new RetryError('Scoring is unavailable', error);
  }
  return event;
}
