// The device sends its readings packed: 4 bytes of time, then 2 bytes a value.
function unpack(text) {
  const buf = Buffer.from(text, 'base64');
  if (buf.length < 4 || buf.length % 2) throw new InvalidEventPayload(`packed data has ${buf.length} bytes`);
  const values = [];
  for (let at = 4; at < buf.length; at += 2) values.push(buf.readInt16LE(at) / 10);
  return { at: new Date(buf.readUInt32LE(0) * 1000).toISOString(), values, checksum: buf.subarray(4).toString('hex') };
}

async function onTrack(event) {
  if (!event.properties.packed) return event;
  const { packed, ...others } = event.properties;
  event.properties = { ...others, ...unpack(packed), size: Buffer.byteLength(packed) };
  event.properties.header = JSON.parse(atob(others.header || 'e30='));
  event.properties.echo = btoa('done');
  return event;
}
