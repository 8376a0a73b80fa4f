const clean = (value) => {
  if (_.isArray(value)) return _.reject(_.map(value, clean), _.isUndefined);
  if (_.isPlainObject(value)) {
    const kept = _.omitBy(_.mapValues(value, clean), _.isUndefined);
    return _.isEmpty(kept) ? undefined : kept;
  }
  return _.isNil(value) || value === '' || _.isNaN(value) ? undefined : value;
};

const changed = (before, after) => !_.isEqual(before, after);

async function onIdentify(event) {
  const before = _.cloneDeep(event.traits);
  event.traits = clean(event.traits) || {};
  event.traits = _.mapKeys(event.traits, (v, key) => _.snakeCase(key));
  if (changed(before, event.traits)) console.log('cleaned', _.difference(_.keys(before), _.keys(event.traits)).join());
  event.traits.tags = _.chain(event.traits.tags).castArray().flatten().compact().sortBy().value();
  return event;
}
