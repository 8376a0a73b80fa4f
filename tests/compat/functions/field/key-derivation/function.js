// One pseudonym a tenant: nobody can join users across tenants.
const salts = {};

function pseudonym(id, tenant, pepper) {
  const salt = (salts[tenant] = salts[tenant] || crypto.createHash('sha1').update(tenant).digest());
  return crypto.pbkdf2Sync(id, Buffer.concat([salt, Buffer.from(pepper)]), 100, 16, 'sha512').toString('hex');
}

async function onTrack(event, settings) {
  const tenant = event.context?.groupId;
  if (!tenant) throw new ValidationError('context.groupId is missing');
  event.properties = { ...event.properties, original_hint: event.userId.slice(0, 1) + '***' };
  event.userId = pseudonym(event.userId, tenant, settings.pepper);
  delete event.anonymousId;
  return event;
}

async function onIdentify(event, settings) {
  const key = crypto.scryptSync(settings.pepper, 'salt', 32, { N: 1024 });
  event.userId = crypto.createHmac('sha256', key).update(event.userId).digest('base64url').slice(0, 22);
  event.traits = {};
  return event;
}
