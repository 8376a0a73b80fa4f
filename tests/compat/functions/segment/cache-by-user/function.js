const ttl = 60 * 1000;

const fetchScore = async (id) => {
  console.log('asking for', id);
  const res = await fetch('https://scores.example/' + id);
  return res.status === 200 ? (await res.json()).score : null;
};

async function onTrack(event, settings) {
  const score = await cache.load(event.userId, ttl, () => fetchScore(event.userId));
  if (event.event === 'Score Changed') {
    cache.delete(event.userId);
  }
  event.properties = { score, again: await cache.load(event.userId, -1, () => 'loaded anew') };
  return event;
}
