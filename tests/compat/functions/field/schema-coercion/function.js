const SCHEMA = {
  price: 'number', quantity: 'integer', in_stock: 'boolean', sku: 'string', tags: 'list', sold_at: 'date'
};

const coerce = {
  number(v) { const n = typeof v === 'string' ? parseFloat(v.replace(/[^0-9.,-]/g, '').replace(',', '.')) : Number(v); return Number.isFinite(n) ? n : undefined; },
  integer(v) { const n = coerce.number(v); return n === undefined ? undefined : Math.trunc(n); },
  boolean(v) { return typeof v === 'boolean' ? v : ['1', 'true', 'yes', 'on'].includes(String(v).toLowerCase()); },
  string(v) { return v === null ? undefined : String(v); },
  list(v) { return Array.isArray(v) ? v : String(v).split(',').map(s => s.trim()); },
  date(v) { const d = new Date(typeof v === 'number' && v < 1e12 ? v * 1000 : v); if (isNaN(d)) throw new ValidationError('sold_at: not a date: ' + v); return d; },
};

async function onTrack(event) {
  for (const [name, type] of Object.entries(SCHEMA)) {
    if (!event.properties || event.properties[name] === undefined) continue;
    event.properties[name] = coerce[type](event.properties[name]);
  }
  return event;
}
