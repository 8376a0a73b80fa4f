const fetchretry = fetchretrylib.fetchretry;
const retryingFetch = fetchretry(fetch, { retries: 2, retryDelay: 5, retryOn: [429, 500, 503] });

async function onTrack(event, settings) {
  let response;
  try {
    response = await retryingFetch('https://enrich.example/v1?u=' + event.userId);
  } catch (error) {
    throw new RetryError('no connection');
  }
  if (response.status >= 500) throw new RetryError(`still ${response.status}`);
  event.properties = Object.assign({}, event.properties, await response.json());
  return event;
}
