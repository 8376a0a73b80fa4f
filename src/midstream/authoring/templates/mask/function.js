// Replaces what identifies a person by a keyed hash: the same person stays the same person, and nobody can be written to or
// looked up. Whatever goes wrong in here, the event is not delivered.

const ALWAYS = ["email", "phone", "firstName", "lastName", "name", "address", "birthday", "username"];

/** @param {SegmentTrackEvent} event @param {FunctionSettings} settings */
async function onTrack(event, settings) {
  return masked(event, settings);
}

/** @param {SegmentIdentifyEvent} event @param {FunctionSettings} settings */
async function onIdentify(event, settings) {
  return masked(event, settings);
}

/** @param {SegmentPageEvent} event @param {FunctionSettings} settings */
async function onPage(event, settings) {
  return masked(event, settings);
}

/** @param {SegmentScreenEvent} event @param {FunctionSettings} settings */
async function onScreen(event, settings) {
  return masked(event, settings);
}

/** @param {SegmentGroupEvent} event @param {FunctionSettings} settings */
async function onGroup(event, settings) {
  return masked(event, settings);
}

/** @param {SegmentAliasEvent} event @param {FunctionSettings} settings */
async function onAlias(event, settings) {
  return masked(event, settings);
}

/** The destination knows the user by the id it was sent, so this stays as it is.
 * @param {SegmentDeleteEvent} event */
async function onDelete(event) {
  return event;
}

/** @param {SegmentEvent} event @param {FunctionSettings} settings */
function masked(event, settings) {
  const fields = new Set([...ALWAYS, ...(settings.fields ?? [])]);
  for (const part of [event.properties, event.traits, event.context?.traits]) mask(part, fields, settings.salt);
  if (event.context) delete event.context.ip;
  return event;
}

/** Replace the named fields of an object, however deep they are.
 * @param {any} part @param {Set<string>} fields @param {string} salt */
function mask(part, fields, salt) {
  if (typeof part !== "object" || part === null) return;
  for (const [name, value] of Object.entries(part)) {
    if (value === null || value === undefined) continue;
    if (fields.has(name)) part[name] = hash(value, salt);
    else mask(value, fields, salt);
  }
}

/** @param {unknown} value @param {string} salt */
function hash(value, salt) {
  const text = typeof value === "string" ? value.trim().toLowerCase() : JSON.stringify(value);
  return crypto.createHmac("sha256", salt).update(text).digest("hex");
}
