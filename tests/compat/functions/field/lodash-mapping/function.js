// Field by field, from our schema to theirs.
const MAP = {
  'user.id': 'userId',
  'user.email': ['properties.email', 'context.traits.email', 'traits.email'],
  'order.total': 'properties.total',
  'order.first_sku': 'properties.products[0].sku',
  'meta.utm': 'context.campaign.source',
};

function transform(event) {
  const out = {};
  _.forEach(MAP, (from, to) => {
    const value = _(from).castArray().map((path) => _.get(event, path)).find((v) => !_.isNil(v));
    if (value !== undefined) _.set(out, to, value);
  });
  const skus = _.map(_.get(event, 'properties.products', []), 'sku');
  return _.merge(out, { order: { skus: _.uniq(_.compact(skus)), by_brand: _.countBy(event.properties.products, 'brand') } });
}

async function onTrack(event) {
  const mapped = transform(event);
  if (_.isEmpty(_.get(mapped, 'order.skus'))) throw new DropEvent('no products');
  return { ..._.pick(event, ['type', 'event', 'messageId', 'userId', 'timestamp']), event: _.startCase(_.camelCase(event.event)), properties: mapped };
}
