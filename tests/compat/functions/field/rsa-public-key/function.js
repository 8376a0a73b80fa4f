// Only the clinic can read the diagnosis: it has the private key.
async function onTrack(event, settings) {
  const { diagnosis, ...properties } = event.properties;
  if (diagnosis === undefined) return event;
  const sealed = crypto.publicEncrypt(
    { key: settings.publicKey, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    Buffer.from(JSON.stringify(diagnosis))
  );
  event.properties = { ...properties, sealed: sealed.toString('base64'), sealed_bytes: sealed.length };
  event.properties.key_id = crypto.createHash('sha256').update(settings.publicKey).digest('hex').slice(0, 8);
  return event;
}
