// An API that still wants OAuth 1.0a.
function client(settings) {
  return new OAuth.OAuth(
    'https://old.example/oauth/request_token',
    'https://old.example/oauth/access_token',
    settings.consumerKey,
    settings.consumerSecret,
    '1.0A',
    null,
    'HMAC-SHA1'
  );
}

const post = (oauth, settings, url, body) =>
  new Promise((resolve, reject) => {
    oauth.post(url, settings.token, settings.tokenSecret, JSON.stringify(body), 'application/json', (error, data) => {
      if (error) reject(error);
      else resolve(JSON.parse(data));
    });
  });

async function onTrack(event, settings) {
  const oauth = client(settings);
  try {
    const made = await post(oauth, settings, 'https://old.example/v1/activities', { what: event.event });
    event.properties = { ...event.properties, activity: made.id };
  } catch (error) {
    if (error.statusCode >= 500) throw new RetryError('old.example: ' + error.statusCode);
    throw new InvalidEventPayload(`old.example: ${error.statusCode} ${error.data}`);
  }
  const header = oauth.authHeader('https://old.example/v1/me', settings.token, settings.tokenSecret, 'GET');
  event.properties.header = /^OAuth oauth_consumer_key="[^"]+",oauth_nonce="\w+",oauth_signature_method="HMAC-SHA1"/.test(header);
  return event;
}
