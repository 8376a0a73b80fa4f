const FORMATS = ['DD.MM.YYYY', 'MM/DD/YYYY', moment.ISO_8601];

async function onIdentify(event) {
  const t = event.traits;
  const started = moment.utc(t.contract_start, FORMATS, true);
  if (!started.isValid()) throw new InvalidEventPayload(`contract_start: ${t.contract_start}`);
  const now = moment.utc(event.receivedAt);
  const renewal = started.clone();
  while (!renewal.isAfter(now)) renewal.add(1, 'year');

  t.contract_start = started.format('YYYY-MM-DD');
  t.renewal = renewal.format('YYYY-MM-DD');
  t.days_left = renewal.diff(now, 'days');
  t.customer_for = moment.duration(now.diff(started)).humanize();
  t.quarter = 'Q' + renewal.quarter();
  return event;
}
