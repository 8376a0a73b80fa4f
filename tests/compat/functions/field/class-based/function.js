class Step {
  #name;
  constructor(name) { this.#name = name; }
  get name() { return this.#name; }
  apply(event) { throw new Error(`${this.name} does nothing`); }
}

class TrimStrings extends Step {
  static FIELDS = ['properties', 'traits'];
  constructor() { super('trim'); }
  apply(event) {
    for (const field of TrimStrings.FIELDS) {
      const bag = event[field];
      if (!bag) continue;
      for (const key of Object.keys(bag)) if (typeof bag[key] === 'string') bag[key] = bag[key].trim();
    }
    return event;
  }
}

class RequireKeys extends Step {
  constructor(...keys) { super('require'); this.keys = keys; }
  apply(event) {
    const missing = this.keys.filter((key) => !(key in (event.properties ?? {})));
    if (missing.length) throw new InvalidEventPayload(`missing ${missing}`);
    return event;
  }
}

class Chain {
  static #instance;
  static get instance() { return (this.#instance ??= new Chain([new TrimStrings(), new RequireKeys('sku', 'price')])); }
  constructor(steps) { this.steps = steps; this.runs = 0; }
  run(event) {
    this.runs += 1;
    return this.steps.reduce((current, step) => step.apply(current), event);
  }
}

async function onTrack(event) {
  const done = Chain.instance.run(event);
  done.properties.run = Chain.instance.runs;
  return done;
}
