// One handler for each type of event, found by its name. What a handler returns goes on to the destination; a type without
// a handler does not. Throw DropEvent to stop an event, ValidationError to refuse it, RetryError to try it again later.

/** @param {SegmentTrackEvent} event @param {FunctionSettings} settings */
async function onTrack(event, settings) {
  return marked(event, settings);
}

/** @param {SegmentIdentifyEvent} event @param {FunctionSettings} settings */
async function onIdentify(event, settings) {
  return marked(event, settings);
}

/** @param {SegmentPageEvent} event @param {FunctionSettings} settings */
async function onPage(event, settings) {
  return marked(event, settings);
}

/** @param {SegmentScreenEvent} event @param {FunctionSettings} settings */
async function onScreen(event, settings) {
  return marked(event, settings);
}

/** @param {SegmentGroupEvent} event @param {FunctionSettings} settings */
async function onGroup(event, settings) {
  return marked(event, settings);
}

/** @param {SegmentAliasEvent} event @param {FunctionSettings} settings */
async function onAlias(event, settings) {
  return marked(event, settings);
}

/** A request to delete a user's data: without this handler the destination would not hear of it.
 * @param {SegmentDeleteEvent} event */
async function onDelete(event) {
  return event;
}

/** Say in the event which environment it comes from: a first change, to be replaced by yours.
 * @template {SegmentEvent} E
 * @param {E} event @param {FunctionSettings} settings @returns {E} */
function marked(event, settings) {
  if (settings.environment) event.context = { ...event.context, environment: settings.environment };
  return event;
}
