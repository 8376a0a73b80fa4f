const BOTS = /bot|crawl|spider|slurp|headless|phantom|lighthouse|curl\/|python-requests/i;

function isBot(event, settings) {
  const { userAgent = '', ip = '' } = event.context || {};
  if (!userAgent && event.channel === 'client') return 'no user agent';
  if (BOTS.test(userAgent)) return 'user agent';
  if ((settings.blockedIps || []).some((prefix) => ip.startsWith(prefix))) return 'address';
  return null;
}

const filter = (event, settings) => {
  const reason = isBot(event, settings);
  if (reason) throw new DropEvent(`bot (${reason})`);
  return event;
};

const onTrack = filter;
const onPage = filter;
const onIdentify = filter;
