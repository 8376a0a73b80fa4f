function luhn(digits) {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    let d = digits.charCodeAt(i) - 48;
    if (double && (d *= 2) > 9) d -= 9;
    sum += d;
  }
  return sum % 10 === 0;
}

const CARD = /\b(?:\d[ -]*?){13,19}\b/g;

function mask(text) {
  return text.replace(CARD, (match) => {
    const digits = match.replace(/\D/g, '');
    return luhn(digits) ? digits.slice(0, 6) + '*'.repeat(digits.length - 10) + digits.slice(-4) : match;
  });
}

async function onTrack(event) {
  // through JSON, so that nothing is missed, however deep
  event.properties = JSON.parse(JSON.stringify(event.properties ?? {}), (key, value) => (typeof value === 'string' ? mask(value) : value));
  return event;
}
