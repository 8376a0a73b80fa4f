// Everything but track stays away from this destination.
async function onTrack(event, settings) {
  event.properties = event.properties || {};
  event.properties.seen_by = 'insert function';
  return event;
}
// Renamed on purpose while we migrate: an unknown name listens to nothing.
async function onTrackOld(event) {
  throw new Error('should never run');
}
