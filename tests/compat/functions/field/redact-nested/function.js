// Walks through everything and blanks what looks personal, wherever somebody put it.
const PATTERNS = [
  [/[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}/g, '[email]'],
  [/\b\d{3}-\d{2}-\d{4}\b/g, '[ssn]'],
  [/\b(?:\d[ -]?){13,16}\b/g, '[card]'],
  [/\+\d{1,3}[ -]?(?:\d[ -]?){6,12}\d/g, '[phone]']
];
const SECRET_KEYS = /pass(word|wd)?$|secret|token/i;

function redact(value, key = '') {
  if (SECRET_KEYS.test(key)) return '[removed]';
  if (typeof value === 'string') {
    return PATTERNS.reduce((text, [pattern, label]) => text.replace(pattern, label), value);
  }
  if (Array.isArray(value)) return value.map((item) => redact(item));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redact(inner, name)]));
  }
  return value;
}

async function onTrack(event) {
  event.properties = redact(event.properties);
  return event;
}
async function onIdentify(event) {
  event.traits = redact(event.traits);
  return event;
}
async function onPage(event) {
  event.properties = redact(event.properties);
  if (event.context && event.context.page) event.context.page = redact(event.context.page);
  return event;
}
