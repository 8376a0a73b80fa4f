async function onTrack(event, settings) {
  try {
    const response = await fetch('https://sink.example/events', { method: 'POST', body: JSON.stringify(event) });
    return event;

    // Written below the return by mistake, as it often happens: never reached.
    if (response.status >= 500) {
      throw new RetryError(`Failed with ${response.status}`);
    }
  } catch (error) {
    throw new RetryError(error.message);
  }
}
