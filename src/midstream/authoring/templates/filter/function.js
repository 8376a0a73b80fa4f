// Keeps away what the destination should not get: bots, one's own staff, and events nobody needs there. What is dropped is
// counted as filtered, with its reason.

const BOTS = /bot|crawler|spider|headless/i;

/** @param {SegmentTrackEvent} event @param {FunctionSettings} settings */
async function onTrack(event, settings) {
  if ((settings.blockedEvents ?? []).includes(event.event)) throw new DropEvent(`${event.event} is not wanted here`);
  return wanted(event, settings);
}

/** @param {SegmentIdentifyEvent} event @param {FunctionSettings} settings */
async function onIdentify(event, settings) {
  return wanted(event, settings);
}

/** @param {SegmentPageEvent} event @param {FunctionSettings} settings */
async function onPage(event, settings) {
  return wanted(event, settings);
}

/** @param {SegmentScreenEvent} event @param {FunctionSettings} settings */
async function onScreen(event, settings) {
  return wanted(event, settings);
}

/** @param {SegmentGroupEvent} event @param {FunctionSettings} settings */
async function onGroup(event, settings) {
  return wanted(event, settings);
}

async function onAlias(event) {
  return event;
}

/** Deletes are never dropped.
 * @param {SegmentDeleteEvent} event */
async function onDelete(event) {
  return event;
}

/** @param {SegmentEvent} event @param {FunctionSettings} settings */
function wanted(event, settings) {
  if (BOTS.test(event.context?.userAgent ?? "")) throw new DropEvent("bot traffic");
  const email = event.traits?.email ?? event.context?.traits?.email ?? event.properties?.email;
  const domain = typeof email === "string" ? email.split("@").pop().toLowerCase() : "";
  if (domain && (settings.staffDomains ?? []).includes(domain)) throw new DropEvent("one of our own");
  return event;
}
