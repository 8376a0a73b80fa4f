// Events are handled at the same time: what belongs to one must not leak into another.
let active = 0;
let most = 0;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function onTrack(event, settings) {
  most = Math.max(most, ++active);
  try {
    console.log('start', event.userId);
    await wait(event.properties.ms);
    const res = await fetch('https://echo.example/' + event.userId);
    console.log('end', event.userId, res.status);
    event.properties = { status: res.status, together: most > 1 };
    if (res.status === 410) throw new DropEvent(event.userId + ' is gone');
    return event;
  } finally {
    active--;
  }
}
