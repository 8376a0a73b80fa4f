// The destination refuses long strings and more than 25 properties.
const MAX_TEXT = 100;
const MAX_KEYS = 25;

function cut(text) {
  if (text.length <= MAX_TEXT) return text;
  const end = text.charCodeAt(MAX_TEXT - 2) >= 0xd800 && text.charCodeAt(MAX_TEXT - 2) <= 0xdbff ? MAX_TEXT - 2 : MAX_TEXT - 1;
  return text.slice(0, end) + '…';
}

async function onTrack(event) {
  const entries = Object.entries(event.properties || {});
  if (entries.length > MAX_KEYS) console.warn(`${entries.length - MAX_KEYS} properties too many`);
  event.properties = {};
  entries.slice(0, MAX_KEYS).forEach(([key, value]) => {
    event.properties[key.slice(0, 40)] = typeof value === 'string' ? cut(value) : value;
  });
  const size = new TextEncoder().encode(JSON.stringify(event.properties)).length;
  if (size > 2000) throw new InvalidEventPayload(`still ${size} bytes`);
  return event;
}
