// The app hands over its session token; what is in it counts only if it is really ours.
async function onIdentify(event, settings) {
  const { session_token, ...traits } = event.traits ?? {};
  if (!session_token) throw new DropEvent('no session');
  let claims;
  try {
    claims = jsonwebtoken.verify(session_token, settings.key, { algorithms: ['HS256'], clockTimestamp: 1767225600 });
  } catch (err) {
    if (err instanceof jsonwebtoken.TokenExpiredError) throw new DropEvent('session is over');
    throw new InvalidEventPayload(err.name + ': ' + err.message);
  }
  event.traits = { ...traits, roles: claims.roles, tenant: claims.tid };
  event.userId = claims.sub;
  return event;
}
