const parsePhone = libphonenumberjslib.libphonenumberjs.parsePhoneNumberFromString;

function normalise(raw, country) {
  const phone = parsePhone(String(raw), country);
  return phone && phone.isValid() ? phone : null;
}

async function onIdentify(event, settings) {
  const traits = event.traits || {};
  if (!traits.phone) return event;
  const country = traits.address?.country || settings.defaultCountry || 'US';
  const phone = normalise(traits.phone, country);
  if (!phone) {
    if (settings.strict) throw new ValidationError('not a phone number');
    delete traits.phone;
    traits.phone_invalid = true;
    return event;
  }
  Object.assign(traits, { phone: phone.format('E.164'), phone_country: phone.country, phone_national: phone.formatNational() });
  return event;
}
