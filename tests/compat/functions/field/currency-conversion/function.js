// Revenue in the house currency; rates are kept for an hour.
var rates = null;
var ratesAt = 0;
var HOUR = 60 * 60 * 1000;

async function loadRates() {
  const res = await fetch('https://rates.example/latest?base=EUR');
  if (!res.ok) throw new RetryError('rates: ' + res.status);
  const body = await res.json();
  rates = body.rates;
  ratesAt = Date.now();
}

async function onTrack(event, settings) {
  const p = event.properties;
  if (!p || p.revenue == null || p.currency === 'EUR') return event;
  if (!rates || Date.now() - ratesAt > HOUR) await loadRates();
  const rate = rates[p.currency];
  if (!rate) throw new ValidationError(`unknown currency ${p.currency}`);
  p.revenue_eur = Math.round((p.revenue / rate) * 100) / 100;
  p.rate = +rate.toFixed(4);
  return event;
}
