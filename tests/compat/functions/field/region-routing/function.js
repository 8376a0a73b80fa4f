const EU = ['AT', 'BE', 'DE', 'DK', 'ES', 'FI', 'FR', 'IE', 'IT', 'NL', 'NO', 'PL', 'SE'];

async function route(event, settings) {
  const country = (event.context?.location?.country || event.traits?.country || '').toUpperCase();
  const region = EU.includes(country) ? 'eu' : country === '' ? 'unknown' : 'us';

  event.integrations = {
    ...event.integrations,
    All: false,
    [settings.euDestination]: region !== 'us',
    [settings.usDestination]: region === 'us',
  };
  event.context = { ...event.context, dataRegion: region };
  return event;
}

async function onTrack(event, settings) { return route(event, settings); }
async function onIdentify(event, settings) { return route(event, settings); }
