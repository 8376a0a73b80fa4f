// Checks, but never returns what it checked, as people copy it: nothing arrives.
async function onGroup(event, settings) {
  if (!event.traits.company) {
    throw new ValidationError('no company');
  }
}

async function onPage(event, settings) {
  if (!event.properties.pageName) {
    throw new ValidationError('no page name');
  }
}
