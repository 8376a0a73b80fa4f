// Events of one partner carry his signature; others are not believed.
function verify(text, given, secret) {
  const wanted = crypto.createHmac('sha1', secret).update(text).digest();
  const got = Buffer.from(given || '', 'hex');
  return got.length === wanted.length && crypto.timingSafeEqual(got, wanted);
}

async function onTrack(event, settings) {
  const { signature, ...properties } = event.properties || {};
  if (!verify(JSON.stringify(properties), signature, settings.partnerSecret)) {
    throw new InvalidEventPayload('signature does not match');
  }
  event.properties = properties;
  return event;
}
