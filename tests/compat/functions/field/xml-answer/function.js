const parser = new xml2js.Parser({ explicitArray: false, mergeAttrs: true });

async function onIdentify(event, settings) {
  const res = await fetch('https://vat.example/check?number=' + encodeURIComponent(event.traits.vat));
  const text = await res.text();

  let parsed;
  try {
    parsed = await parser.parseStringPromise(text);
  } catch (e) {
    throw new RetryError('not XML: ' + e.message.split('\n')[0]);
  }
  const { result } = parsed.response;
  if (result.valid !== 'true') throw new InvalidEventPayload('VAT number is not valid');
  event.traits.company = { name: result.name._ || result.name, country: result.country };
  const builder = new xml2js.Builder({ headless: true, renderOpts: { pretty: false } });
  event.traits.receipt = builder.buildObject({ checked: { $: { by: 'vat.example' }, number: event.traits.vat } });
  return event;
}
