/**
 * Tells sales about big orders. A failing alert must never cost us the event.
 */
async function alertSales(event, settings) {
  const text = `:moneybag: ${event.userId} bought for *${event.properties.total}*`;
  const res = await fetch(settings.webhookUrl, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text: text, channel: '#sales' })
  });
  const answer = await res.text();
  if (answer !== 'ok') throw new Error('Slack said: ' + answer);
}

async function onTrack(event, settings) {
  if (event.event == 'Order Completed' && event.properties.total >= parseInt(settings.threshold)) {
    await alertSales(event, settings).catch(e => console.error(e.message));
  }
  return event;
}
