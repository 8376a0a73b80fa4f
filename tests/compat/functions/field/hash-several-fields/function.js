const sha256 = (text) => crypto.createHash('sha256').update(text, 'utf8').digest('hex');

const NORMALISERS = {
  email: (value) => value.trim().toLowerCase(),
  phone: (value) => value.replace(/\D/g, ''),
  firstName: (value) => value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase(),
  city: (value) => value.toLowerCase().replace(/\s+/g, ''),
  zip: (value) => value.split('-')[0]
};

function hashed(traits = {}) {
  const out = {};
  for (const [name, normalise] of Object.entries(NORMALISERS)) {
    const value = traits[name];
    if (value === undefined || value === null || value === '') continue;
    if (/^[a-f0-9]{64}$/.test(value)) out[name] = value; // is one already
    else out[name] = sha256(normalise(String(value)));
  }
  return out;
}

async function onIdentify(event) {
  return { ...event, traits: { ...event.traits, ...hashed(event.traits) } };
}

async function onTrack(event) {
  const user_data = hashed(event.context?.traits);
  if (Object.keys(user_data).length === 0) throw new DropEvent('nobody to match');
  return { ...event, properties: { ...event.properties, user_data } };
}
