// The receiver wants each event signed, in a field of the event itself.
function canonical(value) {
  if (Array.isArray(value)) return '[' + value.map(canonical).join(',') + ']';
  if (value !== null && typeof value === 'object') {
    return '{' + Object.keys(value).sort().map((key) => JSON.stringify(key) + ':' + canonical(value[key])).join(',') + '}';
  }
  return JSON.stringify(value);
}

async function onTrack(event, settings) {
  if (!settings.signingSecret) throw new Error('no signing secret is set');
  const payload = canonical({ event: event.event, user: event.userId, properties: event.properties || {} });
  const signature = crypto.createHmac('sha256', settings.signingSecret).update(payload).digest('base64');
  event.context = Object.assign({}, event.context, { signature: 'v1,' + signature });
  console.log('signed', payload.length, 'characters with', settings.signingSecret);
  return event;
}
