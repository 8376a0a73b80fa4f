async function onTrack(event, settings) {
  if (!settings.enabled) return event;

  const properties = {};
  for (const [name, value] of Object.entries(event.properties || {})) {
    if (settings.blocked.includes(name)) continue;
    properties[settings.renames[name] || name] = value;
  }
  properties.label = settings.prefix + event.event;
  event.properties = properties;
  return event;
}

async function onIdentify(event, settings) {
  settings.blocked.push('changed'); // a function that changes its settings spoils only its own
  event.traits = { types: [typeof settings.prefix, typeof settings.enabled, Array.isArray(settings.blocked), typeof settings.renames], missing: settings.nothing === undefined };
  return event;
}
