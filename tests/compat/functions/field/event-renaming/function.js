const renames = {
  'Completed Order': 'Order Completed',
  purchase: 'Order Completed',
  'Viewed Product': 'Product Viewed',
  pdp_view: 'Product Viewed'
};
const titleCase = (text) =>
  text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[\s_-]+/)
    .filter(Boolean)
    .map((word) => word[0].toUpperCase() + word.slice(1).toLowerCase())
    .join(' ');

function onTrack(event, settings) {
  const original = event.event;
  const named = { ...renames, ...settings.renames };
  event.event = Object.hasOwn(named, original) ? named[original] : titleCase(original);
  if (event.event !== original) {
    event.properties = { ...event.properties, original_event: original };
  }
  return event;
}
