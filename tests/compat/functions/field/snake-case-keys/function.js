// The warehouse wants snake_case, all the way down, and no key twice.
const snake = (key) =>
  key
    .replaceAll(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2')
    .replaceAll(/(\p{Lu}+)(\p{Lu}\p{Ll})/gu, '$1_$2')
    .replaceAll(/[\s.-]+/g, '_')
    .toLowerCase();

function convert(value) {
  if (Array.isArray(value)) return value.map(convert);
  if (value === null || typeof value !== 'object') return value;
  const out = {};
  for (const [key, inner] of Object.entries(value)) {
    const name = snake(key);
    if (name in out) throw new ValidationError(`two keys become ${name}`);
    out[name] = convert(inner);
  }
  return out;
}

const onTrack = async (event) => ({ ...event, properties: convert(event.properties ?? {}) });
const onIdentify = async (event) => ({ ...event, traits: convert(event.traits ?? {}) });
