// A tour of midstream's Public API with Segment's own SDK, of which only base path and token are changed.
// Prints one JSON line an operation: its name and the answer as it came; the last line holds what the SDK unwrapped.

import sdk from '@segment/public-api-sdk-typescript'

const [base, token, destinationUrl] = process.argv.slice(2)
const at = (Api) => Object.assign(new Api(base), { accessToken: token })
const functions = at(sdk.FunctionsApi)
const sources = at(sdk.SourcesApi)
const destinations = at(sdk.DestinationsApi)
const filters = at(sdk.DestinationFiltersApi)
const catalog = at(sdk.CatalogApi)
const overview = at(sdk.DeliveryOverviewApi)
const events = at(sdk.EventsApi)
const trail = at(sdk.AuditTrailApi)
const users = at(sdk.IAMUsersApi)
const groups = at(sdk.IAMGroupsApi)
const roles = at(sdk.IAMRolesApi)
const labels = at(sdk.LabelsApi)

const page = { count: 10 }
const seen = {}

async function asked(operation, call) {
  try {
    const { body, response } = await call
    console.log(JSON.stringify({ operation, status: response.statusCode, answer: response.body }))
    return body.data
  } catch (error) {
    const message = JSON.stringify(error.body ?? String(error))
    console.log(JSON.stringify({ operation, status: error.statusCode ?? 0, error: message }))
    process.exitCode = 1
    return {}
  }
}

async function refused(operation, call) {
  try {
    await sdk.unwrap(call)
    seen[operation] = 'was not refused'
  } catch (error) {
    seen[operation] = { type: error.type, message: error.message, field: error.field }
  }
}

const { workspace } = await asked('getWorkspace', at(sdk.WorkspacesApi).getWorkspace())
await asked('echo', at(sdk.TestingApi).echo('hello'))

await asked('getDestinationsCatalog', catalog.getDestinationsCatalog(page))
await asked('getDestinationMetadata', catalog.getDestinationMetadata('webhook'))
await asked('getSourcesCatalog', catalog.getSourcesCatalog(page))
const { sourceMetadata } = await asked('getSourceMetadata', catalog.getSourceMetadata('http-api'))
await asked('getWarehousesCatalog', catalog.getWarehousesCatalog(page))
await refused('getWarehouseMetadata', catalog.getWarehouseMetadata('none'))

const { source } = await asked(
  'createSource',
  sources.createSource({ slug: 'shop', enabled: true, metadataId: sourceMetadata.id }),
)
seen.writeKey = source.writeKeys.at(-1)
await asked('getSource', sources.getSource(source.id))
await asked('listSources', sources.listSources(page))
await asked('updateSource', sources.updateSource(source.id, { name: 'Shop' }))
const made = await asked('createWriteKeyForSource', sources.createWriteKeyForSource(source.id))
await asked('removeWriteKeyFromSource', sources.removeWriteKeyFromSource(source.id, made.source.writeKeys.at(-1)))

const { destination } = await asked(
  'createDestination',
  destinations.createDestination({
    sourceId: source.id,
    metadataId: 'webhook',
    name: 'Warehouse',
    settings: { url: destinationUrl, shared_secret: 'd3st-planted' },
  }),
)
await asked('getDestination', destinations.getDestination(destination.id))
await asked('listDestinations', destinations.listDestinations(page))
await asked('updateDestination', destinations.updateDestination(destination.id, { enabled: true, settings: {} }))
await asked('listConnectedDestinationsFromSource', sources.listConnectedDestinationsFromSource(source.id, page))

const drop = { if: "event = 'Noise'", actions: [{ type: 'DROP' }] }
await asked('previewDestinationFilter', filters.previewDestinationFilter({ filter: drop, payload: { event: 'Noise' } }))
const { filter } = await asked(
  'createFilterForDestination',
  filters.createFilterForDestination(destination.id, { ...drop, sourceId: source.id, title: 'No noise', enabled: true }),
)
await asked('getFilterInDestination', filters.getFilterInDestination(destination.id, filter.id))
await asked('listFiltersFromDestination', filters.listFiltersFromDestination(destination.id, page))
await asked(
  'updateFilterForDestination',
  filters.updateFilterForDestination(destination.id, filter.id, { title: 'Without noise' }),
)

const setting = {
  name: 'salt', label: 'Salt', description: 'Mixed into the hash', type: 'STRING', required: true, sensitive: true,
}
const { function: mask } = await asked(
  'createFunction',
  functions.createFunction({
    displayName: 'Mask',
    resourceType: 'INSERT_DESTINATION',
    code: 'async function onTrack(event, settings) { event.properties.v = 1; return event }',
    settings: [setting],
  }),
)
await asked('getFunction', functions.getFunction(mask.id))
await asked('listFunctions', functions.listFunctions(page, 'INSERT_DESTINATION'))
const { insertFunctionInstance: instance } = await asked(
  'createInsertFunctionInstance',
  functions.createInsertFunctionInstance({
    functionId: mask.id.replace('ifnd_', ''),
    integrationId: destination.id,
    name: 'Mask for the warehouse',
    settings: { salt: 's4lt-planted' },
    enabled: false,
  }),
)
await asked('getInsertFunctionInstance', functions.getInsertFunctionInstance(instance.id))
await asked('listInsertFunctionInstances', functions.listInsertFunctionInstances(page, instance.classId))
await asked(
  'updateInsertFunctionInstance',
  functions.updateInsertFunctionInstance(instance.id, { enabled: true, settings: {} }),
)
await asked(
  'updateFunction',
  functions.updateFunction(mask.id, {
    code: 'async function onTrack(event, settings) { event.properties.v = 2; return event }',
  }),
)
const { versions } = await asked('listFunctionVersions', functions.listFunctionVersions(mask.id, page))
await asked('getFunctionVersion', functions.getFunctionVersion(mask.id, versions.at(-1).id))
await asked('restoreFunctionVersion', functions.restoreFunctionVersion(mask.id, { versionId: versions.at(-1).id }))
await asked('createFunctionDeployment', functions.createFunctionDeployment(mask.id))

const end = new Date(Date.now() + 60_000).toISOString()
const start = new Date(Date.now() - 3_600_000).toISOString()
const time = [start, end, 'minute', page, ['eventName'], {}]
await asked('getIngressSuccessMetricsFromDeliveryOverview', overview.getIngressSuccessMetricsFromDeliveryOverview(source.id, ...time))
await asked('getIngressFailedMetricsFromDeliveryOverview', overview.getIngressFailedMetricsFromDeliveryOverview(source.id, ...time))
await asked('getFilteredAtSourceMetricsFromDeliveryOverview', overview.getFilteredAtSourceMetricsFromDeliveryOverview(source.id, ...time))
await asked(
  'getFilteredAtDestinationMetricsFromDeliveryOverview',
  overview.getFilteredAtDestinationMetricsFromDeliveryOverview(source.id, destination.id, ...time),
)
await asked(
  'getEgressFailedMetricsFromDeliveryOverview',
  overview.getEgressFailedMetricsFromDeliveryOverview(source.id, destination.id, ...time),
)
await asked(
  'getEgressSuccessMetricsFromDeliveryOverview',
  overview.getEgressSuccessMetricsFromDeliveryOverview(source.id, destination.id, ...time),
)
await asked(
  'listDeliveryMetricsSummaryFromDestination',
  destinations.listDeliveryMetricsSummaryFromDestination(destination.id, source.id, start, end, 'MINUTE'),
)
await asked('getEventsVolumeFromWorkspace', events.getEventsVolumeFromWorkspace('MINUTE', start, end))

const label = { key: 'environment', value: 'prod', description: 'what customers use' }
await asked('createLabel', labels.createLabel({ label }))
await asked('listLabels', labels.listLabels())
await asked('addLabelsToSource', sources.addLabelsToSource(source.id, { labels: [label] }))
await asked('replaceLabelsInSource', sources.replaceLabelsInSource(source.id, { labels: [] }))
await asked('deleteLabel', labels.deleteLabel(label.key, label.value))

const { roles: known } = await asked('listRoles', roles.listRoles(page))
const admin = known.find((role) => role.name === 'Source Admin')
const permissions = [{ roleId: admin.id, resources: [{ id: source.id, type: 'SOURCE' }] }]
const { users: members } = await asked('listUsers', users.listUsers(page))
const member = members.find((each) => each.email === 'member@example.com')
await asked('getUser', users.getUser(member.id))
await asked('addPermissionsToUser', users.addPermissionsToUser(member.id, { permissions }))
await asked('replacePermissionsForUser', users.replacePermissionsForUser(member.id, { permissions }))
await asked('createInvites', users.createInvites({ invites: [{ email: 'new@example.com', permissions }] }))
await asked('listInvites', users.listInvites(page))

const { userGroup: group } = await asked('createUserGroup', groups.createUserGroup({ name: 'Analysts' }))
await asked('updateUserGroup', groups.updateUserGroup(group.id, { name: 'Data analysts' }))
await asked('listUserGroups', groups.listUserGroups(page))
await asked('addUsersToUserGroup', groups.addUsersToUserGroup(group.id, { emails: [member.email, 'new@example.com'] }))
await asked('getUserGroup', groups.getUserGroup(group.id))
await asked('listUsersFromUserGroup', groups.listUsersFromUserGroup(group.id, page))
await asked('listInvitesFromUserGroup', groups.listInvitesFromUserGroup(group.id, page))
await asked('listUserGroupsFromUser', users.listUserGroupsFromUser(member.id, page))
await asked('addPermissionsToUserGroup', groups.addPermissionsToUserGroup(group.id, { permissions }))
await asked('replacePermissionsForUserGroup', groups.replacePermissionsForUserGroup(group.id, { permissions }))
await asked('replaceUsersInUserGroup', groups.replaceUsersInUserGroup(group.id, { emails: [member.email] }))
await asked('removeUsersFromUserGroup', groups.removeUsersFromUserGroup(group.id, [member.email]))
await asked('deleteUserGroup', groups.deleteUserGroup(group.id))
await asked('deleteInvites', users.deleteInvites(['new@example.com']))
await asked('deleteUsers', users.deleteUsers([member.id]))

await asked('listAuditEvents', trail.listAuditEvents(page))

await refused('deleteConnectedFunction', functions.deleteFunction(mask.id))
await refused('getMissingFunction', functions.getFunction('ifnd_none'))
await refused('createUnreadableFilter', filters.createFilterForDestination(destination.id, {
  sourceId: source.id, title: 'x', enabled: true, if: 'event = ', actions: [{ type: 'DROP' }],
}))
await asked('deleteInsertFunctionInstance', functions.deleteInsertFunctionInstance(instance.id))
await asked('removeFilterFromDestination', filters.removeFilterFromDestination(destination.id, filter.id))
await asked('deleteFunction', functions.deleteFunction(mask.id))
await asked('deleteDestination', destinations.deleteDestination(destination.id))
await asked('deleteSource', sources.deleteSource(source.id))
console.log(JSON.stringify({ seen, workspace }))
