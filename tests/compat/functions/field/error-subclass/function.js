// Own errors on top of Segment's, so that one catch can tell them apart.
class UpstreamDown extends RetryError {
  constructor(service, options) {
    super(`${service} is down`, options);
    this.service = service;
  }
}
class Incomplete extends ValidationError {
  constructor(...fields) {
    super('missing: ' + fields.join(', '));
    this.name = 'Incomplete';
  }
}

async function onIdentify(event) {
  const missing = ['email', 'plan'].filter((name) => !event.traits?.[name]);
  if (missing.length) throw new Incomplete(...missing);
  try {
    const res = await fetch('https://plans.example/' + event.traits.plan);
    event.traits.limits = await res.json();
  } catch (cause) {
    const error = new UpstreamDown('plans.example', { cause });
    console.warn(error instanceof RetryError, error instanceof Error, error.service, Object.prototype.toString.call(error));
    throw error;
  }
  return event;
}
