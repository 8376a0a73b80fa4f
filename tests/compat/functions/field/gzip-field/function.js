// Long fields travel packed; the consumer unpacks what ends in _gz.
const { gzipSync, gunzipSync } = zlib.zlib;
const LONG = 120;

async function onTrack(event) {
  const properties = {};
  for (const [name, value] of Object.entries(event.properties || {})) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text === undefined || text.length < LONG) {
      properties[name] = value;
      continue;
    }
    const packed = gzipSync(text, { level: 9 });
    properties[name + '_gz'] = packed.toString('base64');
    properties[name + '_ratio'] = packed.length < text.length;
    if (gunzipSync(packed).toString() !== text) throw new Error('packing broke ' + name);
  }
  return { ...event, properties };
}
