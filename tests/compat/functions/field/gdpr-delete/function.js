// Deletes go to the vendor's own API; the event itself may pass on.
async function onDelete(event, settings) {
  const res = await fetch(`https://vendor.example/users/${encodeURIComponent(event.userId)}`, {
    method: 'DELETE',
    headers: { 'x-api-key': settings.apiKey },
  });
  if (res.status === 404) console.log('was not there');
  else if (!res.ok) throw new RetryError(`delete answered ${res.status}`);
  return event;
}

async function onIdentify(event, settings) {
  const traits = event.traits ?? {};
  if (traits.gdprDeleted === true || traits.deleted_at) throw new DropEvent('is being deleted');
  return event;
}
