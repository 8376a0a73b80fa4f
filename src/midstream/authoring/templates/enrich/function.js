// Adds to each event what an API knows of its user. The API wants a token, which is asked for once and then cached. While
// the API is down, events are tried again later instead of going on without.

const TOKEN_MS = 50 * 60 * 1000; // ask for a new one before the old one, good for an hour, runs out

/** @param {SegmentTrackEvent} event @param {FunctionSettings} settings */
async function onTrack(event, settings) {
  event.properties = { ...event.properties, ...(await profileOf(event, settings)) };
  return event;
}

/** @param {SegmentIdentifyEvent} event @param {FunctionSettings} settings */
async function onIdentify(event, settings) {
  event.traits = { ...event.traits, ...(await profileOf(event, settings)) };
  return event;
}

async function onPage(event) {
  return event;
}

async function onScreen(event) {
  return event;
}

async function onGroup(event) {
  return event;
}

async function onAlias(event) {
  return event;
}

async function onDelete(event) {
  return event;
}

/** Return what to add: nothing for a user whom the API does not know.
 * @param {SegmentEvent} event @param {FunctionSettings} settings */
async function profileOf(event, settings) {
  if (!event.userId) return {};
  const token = await cache.load("token", TOKEN_MS, () => newToken(settings));
  const answer = await ask(`${settings.apiUrl}/users/${encodeURIComponent(event.userId)}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status === 404) return {};
  if (answer.status === 401) {
    cache.delete("token");
    throw new RetryError("the API does not take the token any more");
  }
  if (!answer.ok) throw new ValidationError(`the API answered ${answer.status}`);
  const { plan, segment } = await answer.json();
  return { plan, segment };
}

/** @param {FunctionSettings} settings */
async function newToken(settings) {
  const answer = await ask(`${settings.apiUrl}/oauth/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${settings.clientId}:${settings.clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  if (!answer.ok) throw new Error(`there is no token: the API answered ${answer.status}`);
  return (await answer.json()).access_token;
}

/** Fetch; what may work later is a RetryError.
 * @param {string} url @param {RequestInit} options */
async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    throw new RetryError(`the API cannot be reached: ${error.message}`);
  }
  if (answer.status >= 500 || answer.status === 429) throw new RetryError(`the API answered ${answer.status}`);
  return answer;
}
