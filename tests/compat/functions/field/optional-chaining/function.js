const pick = (event, ...paths) => {
  for (const path of paths) {
    const value = path.split('.').reduce((at, key) => at?.[key], event);
    if (value !== undefined && value !== null && value !== '') return value;
  }
};

const onTrack = async (event, settings) => {
  event.context ??= {};
  event.context.traits ||= {};
  event.context.traits.email ??= pick(event, 'properties.email', 'properties.user.email', 'properties.customer.0.mail');
  event.context.traits.name &&= event.context.traits.name.toUpperCase?.() ?? 'n/a';
  const callback = settings?.notDeclared?.();
  return callback ?? event;
};
