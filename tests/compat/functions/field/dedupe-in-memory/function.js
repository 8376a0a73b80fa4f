// The app sends some things twice within seconds. Remember the last few.
const LIMIT = 1000;
const seen = new Map();

function fingerprint({ event, userId, anonymousId, properties }) {
  return crypto.createHash('sha1').update(JSON.stringify([event, userId, anonymousId, properties])).digest('base64');
}

async function onTrack(event) {
  const key = fingerprint(event);
  if (seen.has(key)) throw new DropEvent(`same as ${seen.get(key)}`);
  seen.set(key, event.messageId);
  if (seen.size > LIMIT) seen.delete(seen.keys().next().value);
  return event;
}
