// The same tenth of users, always.
function bucket(id) {
  const digest = crypto.createHash('md5').update(id).digest();
  return digest.readUInt32BE(0) % 100;
}

async function onTrack(event, settings) {
  const percent = Number(settings.percent ?? 10);
  if (Number.isNaN(percent)) throw new Error('percent must be a number');
  const id = event.userId || event.anonymousId;
  const b = bucket(id);
  if (b >= percent) throw new DropEvent(`${id} is in bucket ${b}`);
  event.properties = { ...event.properties, sample_rate: percent / 100 };
  return event;
}
