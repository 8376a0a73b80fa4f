// Finds out which region an event belongs to, and says so where the systems behind the destination look: in `integrations`,
// and as the URL to use. An event of a region that the destination does not serve is dropped.

const REGION_OF_COUNTRY = { DE: "eu", FR: "eu", ES: "eu", IT: "eu", NL: "eu", PL: "eu", GB: "uk", US: "us", CA: "us" };
const REGION_OF_ZONE = { Europe: "eu", America: "us" };

/** @param {SegmentTrackEvent} event @param {FunctionSettings} settings */
async function onTrack(event, settings) {
  return routed(event, settings);
}

/** @param {SegmentIdentifyEvent} event @param {FunctionSettings} settings */
async function onIdentify(event, settings) {
  return routed(event, settings);
}

/** @param {SegmentPageEvent} event @param {FunctionSettings} settings */
async function onPage(event, settings) {
  return routed(event, settings);
}

/** @param {SegmentScreenEvent} event @param {FunctionSettings} settings */
async function onScreen(event, settings) {
  return routed(event, settings);
}

/** @param {SegmentGroupEvent} event @param {FunctionSettings} settings */
async function onGroup(event, settings) {
  return routed(event, settings);
}

/** @param {SegmentAliasEvent} event @param {FunctionSettings} settings */
async function onAlias(event, settings) {
  return routed(event, settings);
}

/** A request to delete goes everywhere: it does not say where the user lives.
 * @param {SegmentDeleteEvent} event */
async function onDelete(event) {
  return event;
}

/** @param {SegmentEvent} event @param {FunctionSettings} settings */
function routed(event, settings) {
  const region = regionOf(event) ?? settings.defaultRegion;
  const url = (settings.urls ?? {})[region];
  if (!url) throw new DropEvent(`no URL for region ${region ?? "unknown"}`);
  event.context = { ...event.context, region, url };
  const integration = (settings.integrations ?? {})[region];
  if (integration) event.integrations = { ...event.integrations, All: false, [integration]: true };
  return event;
}

/** @param {SegmentEvent} event @returns {string | undefined} */
function regionOf(event) {
  const country = event.context?.location?.country ?? event.traits?.address?.country;
  return REGION_OF_COUNTRY[country] ?? REGION_OF_ZONE[event.context?.timezone?.split("/")[0]];
}
