const endpoint = 'https://crm.example/accounts/lookup';

async function onIdentify(event, settings) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${btoa(settings.apiKey + ':')}`,
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({ user: event.userId })
  });
  const account = await response.json();

  event.traits = event.traits || {};
  event.traits.tier = account.tier;
  event.traits.seats = account.seats;
  return event;
}
