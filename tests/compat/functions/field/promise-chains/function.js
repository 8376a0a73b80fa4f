// No async, no await: only then and catch.
function onTrack(event, settings) {
  return fetch('https://one.example/' + event.userId)
    .then(function (res) {
      if (res.status === 404) return null;
      if (!res.ok) return Promise.reject(new RetryError('one: ' + res.status));
      return res.json();
    })
    .then((one) => (one ? Promise.all([one, fetch(one.next).then((r) => r.text())]) : [{}, 'nobody']))
    .then(([one, two]) => Object.assign({}, event, { properties: { rank: one.rank, two } }))
    .catch((error) => {
      if (error instanceof RetryError) throw error;
      console.error('goes on without:', error.name);
      return event;
    })
    .finally(() => console.log('done'));
}
