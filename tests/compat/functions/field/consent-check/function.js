async function onTrack(event, settings) {
  const consent = event.context && event.context.consent;
  const preferences = (consent && consent.categoryPreferences) || null;

  if (!preferences) {
    if (settings.strict) throw new DropEvent('no consent is recorded');
    return event;
  }
  const missing = settings.categories.filter((category) => preferences[category] !== true);
  if (missing.length === settings.categories.length) {
    throw new DropEvent('no consent for ' + missing.join(' and '));
  }
  if (missing.length > 0) {
    // some, not all: without anything that says who it was
    delete event.userId;
    event.anonymousId = 'redacted';
    const { traits, ip, ...context } = event.context;
    event.context = context;
  }
  return event;
}
