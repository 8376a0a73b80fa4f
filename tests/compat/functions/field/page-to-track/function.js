// The destination only knows track: pages and screens become one.
const skip = ['/health', '/internal/'];

function converted(event, verb, name) {
  const { name: _, category: __, ...rest } = event;
  return Object.assign(rest, {
    type: 'track',
    event: `${verb} ${name || 'unnamed'}`,
    properties: { ...event.properties, category: event.category ?? event.properties?.category },
  });
}

async function onPage(event) {
  const path = event.context?.page?.path ?? event.properties?.path ?? '';
  if (skip.some((prefix) => path.startsWith(prefix))) return; // nobody needs these
  return converted(event, 'Viewed', event.name ?? path);
}

async function onScreen(event) {
  return converted(event, 'Opened', event.name);
}

async function onTrack(event) {
  return event;
}
