// Replaces every e-mail address in an event by a keyed hash: the same person stays the same person, nobody can be written
// to. Bots are dropped, and an order without a total is refused, so that the demo has something to show.

const ADDRESS = /[\w.+-]+@[\w-]+\.[\w.-]+/g;

function mask(value, salt) {
  if (typeof value === "string") {
    return value.replace(ADDRESS, (address) => {
      const hash = crypto.createHmac("sha256", salt).update(address.toLowerCase()).digest("hex");
      return `${hash.slice(0, 16)}@masked`;
    });
  }
  if (Array.isArray(value)) return value.map((each) => mask(each, salt));
  if (value && typeof value === "object") {
    for (const key of Object.keys(value)) value[key] = mask(value[key], salt);
  }
  return value;
}

async function onTrack(event, settings) {
  if (/bot|crawler/i.test(event.context?.userAgent ?? "")) throw new DropEvent("bot traffic");
  if (event.event === "Order Completed" && typeof event.properties?.total !== "number") {
    throw new ValidationError("an order needs a numeric total");
  }
  if (event.properties?.currency === "BTC") {
    console.log("no rate yet for", event.properties.currency);
    throw new RetryError("exchange rate is not there yet");
  }
  return mask(event, settings.salt);
}

async function onIdentify(event, settings) {
  return mask(event, settings.salt);
}

async function onPage(event, settings) {
  return mask(event, settings.salt);
}

async function onScreen(event, settings) {
  return mask(event, settings.salt);
}

async function onGroup(event, settings) {
  return mask(event, settings.salt);
}

async function onAlias(event, settings) {
  return mask(event, settings.salt);
}

async function onDelete(event) {
  return event;
}
