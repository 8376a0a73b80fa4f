zlib = zlib.zlib;

async function onTrack(event, settings) {
  if (event.properties.packed) {
    const text = zlib.gunzipSync(Buffer.from(event.properties.packed, 'base64')).toString();
    event.properties = JSON.parse(text);
    return event;
  }
  const packed = await new Promise((resolve, reject) => {
    zlib.deflate(JSON.stringify(event.properties), (error, result) => (error ? reject(error) : resolve(result)));
  });
  event.properties = { bytes: packed.length < 60, again: JSON.parse(zlib.inflateSync(packed)) };
  return event;
}
