// Old app versions alias e-mail addresses; we only want our own ids on either side.
const isOurs = (id) => /^usr_[a-z0-9]{6,}$/.test(id ?? '');

async function onAlias(event) {
  if (!isOurs(event.userId)) throw new InvalidEventPayload(`userId ${event.userId} is not one of ours`);
  if (event.previousId === event.userId) throw new DropEvent('the same on both sides');
  if (/@/.test(event.previousId)) {
    event.previousId = 'anon_' + crypto.createHash('sha256').update(event.previousId.toLowerCase()).digest('hex').slice(0, 12);
  }
  return event;
}

async function onIdentify(event) {
  if (!isOurs(event.userId)) {
    event.traits = { ...event.traits, legacyId: event.userId };
    event.anonymousId ??= event.messageId;
    event.userId = undefined;
  }
  return event;
}
