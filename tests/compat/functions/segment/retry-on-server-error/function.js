async function onTrack(event, settings) {
  let response;
  try {
    response = await fetch('https://partner.example/v2/track', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(event.properties)
    });
  } catch (error) {
    // The connection itself failed
    throw new RetryError(error.message);
  }

  if (response.status >= 500 || response.status === 429) {
    throw new RetryError(`Failed with ${response.status}`);
  }

  event.properties.partner_status = response.status;
  return event;
}
