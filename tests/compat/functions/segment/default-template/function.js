/**
 * Handles events of type "track".
 * @param  {SegmentTrackEvent} event
 * @param  {FunctionSettings} settings
 */
async function onTrack(event, settings) {
	return event;
}

/**
 * Handles events of type "identify".
 * @param  {SegmentIdentifyEvent} event
 * @param  {FunctionSettings} settings
 */
async function onIdentify(event, settings) {
	return event;
}

/** @param {SegmentGroupEvent} event */
async function onGroup(event, settings) {
	return event;
}

/** @param {SegmentPageEvent} event */
async function onPage(event, settings) {
	return event;
}

/** @param {SegmentScreenEvent} event */
async function onScreen(event, settings) {
	return event;
}

/** @param {SegmentAliasEvent} event */
async function onAlias(event, settings) {
	return event;
}

async function onDelete(event, settings) {
	return event;
}
