const FREE = new Set(['gmail.com', 'yahoo.com', 'hotmail.com', 'outlook.com', 'proton.me']);

function domainOf(email) {
  const at = typeof email === 'string' ? email.lastIndexOf('@') : -1;
  return at > 0 ? email.slice(at + 1).trim().toLowerCase() : null;
}

async function onIdentify(event, settings) {
  const domain = domainOf(event.traits?.email);
  if (domain === null) {
    throw new ValidationError('an e-mail address is needed, got ' + JSON.stringify(event.traits?.email));
  }
  if (settings.internalDomains?.includes(domain)) throw new DropEvent('one of us');

  event.traits.emailDomain = domain;
  event.traits.isBusiness = !FREE.has(domain);
  if (event.traits.isBusiness && !event.traits.company) {
    event.traits.company = { domain, name: domain.split('.').at(-2) };
  }
  return event;
}
