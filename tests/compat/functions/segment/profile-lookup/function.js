// Traits of the user's profile, read by the Profile API, go along with every track.
async function onTrack(event, settings) {
  const id = event.userId ? `user_id:${event.userId}` : `anonymous_id:${event.anonymousId}`;
  const url = `https://profiles.segment.com/v1/spaces/${settings.spaceId}/collections/users/profiles/${encodeURIComponent(id)}/traits?limit=100`;
  const response = await fetch(url, {
    headers: { Authorization: 'Basic ' + Buffer.from(settings.profileToken + ':').toString('base64') }
  });

  if (response.status === 404) return event;
  if (response.status >= 500) throw new RetryError('Profile API: ' + response.status);
  if (!response.ok) throw new ValidationError('Profile API: ' + response.status);

  const { traits } = await response.json();
  event.context = event.context || {};
  event.context.traits = { ...traits, ...event.context.traits };
  return event;
}
