const encoder = new TextEncoder();
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');

async function sign(text, secret) {
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return hex(await crypto.subtle.sign('HMAC', key, encoder.encode(text)));
}

async function onTrack(event, settings) {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(event.userId));
  const iv = crypto.getRandomValues(new Uint8Array(8));
  event.properties = {
    ...event.properties,
    subject: hex(digest),
    signature: await sign(event.event, settings.secret),
    nonce: hex(iv),
    same: hex(digest) === crypto.createHash('sha256').update(event.userId).digest('hex'),
  };
  return event;
}
