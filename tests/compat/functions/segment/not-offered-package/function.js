// Packages of Segment that are not here stand in as stubs: the code loads, and says so where it uses one.
async function onTrack(event, settings) {
  if (event.event !== 'Charge') return event;
  const client = stripe(settings.stripeKey);
  const charge = await client.charges.create({ amount: event.properties.amount });
  event.properties.charge = charge.id;
  return event;
}
