'use strict';

const onTrack = async (event, settings) => {
  const frozen = Object.freeze({ ...event.properties });
  if (event.event === 'assign') frozen.added = true;
  if (event.event === 'undeclared') undeclaredName = 1;
  return { ...event, properties: frozen };
};

async function onPage(event) {
  return typeof this === 'undefined' ? event : null;
}
