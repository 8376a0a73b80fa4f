async function onIdentify(event, settings) {
  const key = crypto.createHash('sha256').update(settings.passphrase).digest();
  const iv = crypto.createHash('md5').update(event.userId).digest();

  for (const name of ['email', 'phone']) {
    const value = event.traits[name];
    if (value === undefined) continue;
    const cipher = crypto.createCipheriv('aes-256-cbc', key, iv);
    event.traits[name] = cipher.update(String(value), 'utf8', 'base64') + cipher.final('base64');
  }
  return event;
}

async function onTrack(event, settings) {
  const key = crypto.createHash('sha256').update(settings.passphrase).digest();
  const iv = crypto.createHash('md5').update(event.userId).digest();
  const decipher = crypto.createDecipheriv('aes-256-cbc', key, iv);
  event.properties.email = decipher.update(event.properties.email, 'base64', 'utf8') + decipher.final('utf8');
  return event;
}
