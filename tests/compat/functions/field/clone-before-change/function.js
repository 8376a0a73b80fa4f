async function onTrack(event, settings) {
  const before = structuredClone(event);
  try {
    event.properties.items.forEach((item) => {
      item.price = Math.round(item.price * 100);
      if (!Number.isInteger(item.price)) throw new TypeError('price of ' + item.sku);
    });
    event.properties.currency_unit = 'cents';
  } catch (error) {
    // half done is worse than not done
    console.warn('left as it was:', error.message);
    return before;
  }
  return event;
}

async function onIdentify(event) {
  const copy = structuredClone({ when: new Date(0), set: new Set([1]), map: new Map([['a', 1]]), self: null });
  event.traits = { when: copy.when, set: [...copy.set], map: Object.fromEntries(copy.map) };
  structuredClone(() => 1); // functions cannot be cloned
  return event;
}
