// Ids beyond 2^53 come as strings and have to stay exact.
async function onTrack(event) {
  const p = event.properties;
  const id = BigInt(p.account_id);
  p.shard = Number(id % 16n);
  p.next_id = (id + 1n).toString();
  p.hex = '0x' + id.toString(16);
  p.amount = Number((p.amount * 1.1).toFixed(2));
  p.ratio = p.parts / p.whole; // may be Infinity
  if (p.keep) p.raw = id; // JSON has no BigInt: this cannot leave
  return event;
}
