function encrypt(text, hexKey) {
  const key = Buffer.from(hexKey, 'hex');
  const iv = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return [iv, cipher.getAuthTag(), sealed].map((part) => part.toString('base64url')).join('.');
}

function decrypt(token, hexKey) {
  const [iv, tag, sealed] = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  const decipher = crypto.createDecipheriv('aes-256-gcm', Buffer.from(hexKey, 'hex'), iv);
  decipher.setAuthTag(tag);
  return decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8');
}

async function onIdentify(event, settings) {
  const before = event.traits.email;
  event.traits.email = encrypt(before, settings.key);
  event.traits.readable = decrypt(event.traits.email, settings.key) === before;
  return event;
}

async function onTrack(event, settings) {
  try {
    event.properties.email = decrypt(event.properties.email, settings.key);
  } catch (error) {
    throw new InvalidEventPayload('cannot be decrypted');
  }
  return event;
}
