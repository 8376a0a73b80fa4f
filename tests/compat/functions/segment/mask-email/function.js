async function onIdentify(event, settings) {
  event.traits = mask(event.traits);
  return event;
}

async function onTrack(event, settings) {
  event.properties = mask(event.properties);
  return event;
}

function mask(fields) {
  if (!fields || !fields.email) return fields;
  const digest = crypto.createHash('sha256').update(fields.email.trim().toLowerCase()).digest('hex');
  return { ...fields, email: digest };
}
