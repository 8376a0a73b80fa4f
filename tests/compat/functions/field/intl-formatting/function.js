async function onTrack(event, settings) {
  const p = event.properties;
  const locale = event.context?.locale || 'en-US';
  const money = new Intl.NumberFormat(locale, { style: 'currency', currency: p.currency || 'USD' });
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: event.context?.timezone || 'UTC' });
  const list = new Intl.ListFormat(locale, { type: 'conjunction' });
  const days = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

  p.display = {
    total: money.format(p.total).replace(/\s/gu, ' '),
    date: day.format(new Date(p.at)),
    items: list.format(p.items),
    ship: days.format(p.ships_in, 'day'),
    compact: (1234567).toLocaleString('en-US', { notation: 'compact' }),
    sorted: [...p.items].sort(new Intl.Collator(locale).compare),
  };
  return event;
}
