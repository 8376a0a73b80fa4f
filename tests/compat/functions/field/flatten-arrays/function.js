// The destination has no nesting: products become products_0_sku and so on.
function flatten(value, prefix, into) {
  if (Array.isArray(value)) {
    into[prefix + '_count'] = value.length;
    value.slice(0, 3).forEach((item, i) => flatten(item, prefix + '_' + i, into));
    if (value.every((item) => typeof item !== 'object')) into[prefix] = value.join('|');
  } else if (value !== null && typeof value === 'object') {
    Object.keys(value).forEach((key) => flatten(value[key], prefix ? prefix + '_' + key : key, into));
  } else {
    into[prefix] = value;
  }
  return into;
}

async function onTrack(event, settings) {
  event.properties = flatten(event.properties || {}, '', {});
  return event;
}
