// Mobile sends some properties as JSON inside a string. Unpack them, once.
function unpack(value) {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch (e) {
    if (!(e instanceof SyntaxError)) throw e;
    return value;
  }
}

class Money {
  constructor(amount, currency) { Object.assign(this, { amount, currency }); }
  toJSON() { return `${this.amount.toFixed(2)} ${this.currency}`; }
}

function onTrack(event) {
  const properties = {};
  Object.keys(event.properties).forEach((key) => { properties[key] = unpack(event.properties[key]); });
  if (properties.price) properties.price = new Money(properties.price, 'EUR');
  Object.defineProperty(properties, 'hidden', { value: 1, enumerable: false });
  properties.fn = () => 1;
  properties.sym = Symbol('s');
  return { ...event, properties };
}
