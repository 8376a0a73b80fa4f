const GAP = 30 * 60 * 1000;
const sessions = {}; // by anonymousId, in memory only

async function onTrack(event, settings) {
  const id = event.anonymousId;
  const at = Date.parse(event.timestamp);
  let session = sessions[id];
  if (!session || at - session.last > GAP || at < session.start) {
    session = sessions[id] = { start: at, last: at, number: (session?.number ?? 0) + 1, events: 0 };
  }
  session.last = at;
  session.events += 1;
  event.context = {
    ...event.context,
    session: { id: `${id}.${session.start}`, number: session.number, event: session.events, seconds: (at - session.start) / 1000 },
  };
  return event;
}
