// The report wants the shop's local time, and whether it was open.
function localise(timestamp, zone) {
  if (!moment.tz.zone(zone)) throw new ValidationError('unknown time zone ' + zone);
  const local = moment.tz(timestamp, zone);
  return {
    iso: local.format(),
    hour: local.hour(),
    day: local.format('dddd, D MMMM YYYY'),
    dst: local.isDST(),
    week: local.isoWeek(),
    open: !['Sat', 'Sun'].includes(local.format('ddd')) && local.hour() >= 9 && local.hour() < 18,
    midnight: local.clone().startOf('day').utc().format(),
  };
}

async function onTrack(event, settings) {
  event.properties = { ...event.properties, local: localise(event.timestamp, event.context?.timezone || settings.zone) };
  return event;
}
