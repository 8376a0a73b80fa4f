/* Which kind of device it was. Rules in order, first one wins. */
const rules = [
  { device: 'tv', test: /SmartTV|AppleTV|Roku|BRAVIA/ },
  { device: 'tablet', test: /iPad|Tablet|(?=.*Android)(?!.*Mobile)/ },
  { device: 'phone', test: /iPhone|Android.*Mobile|Windows Phone/ },
  { device: 'desktop', test: /Windows NT|Macintosh|X11; (?!Android)/ }
];

const VERSION = /(?<name>Firefox|Edg|Chrome|Version)\/(?<major>\d+)/u;
const NAMES = { Edg: 'Edge', Version: 'Safari' };

function parse(ua) {
  const rule = rules.find((r) => r.test.test(ua));
  const groups = ua.match(VERSION)?.groups;
  return {
    device: rule ? rule.device : 'other',
    browser: groups ? NAMES[groups.name] ?? groups.name : undefined,
    browserMajor: groups && Number(groups.major),
  };
}

async function onTrack(event) {
  if (event.context && event.context.userAgent) {
    Object.assign(event.context, { ua: parse(event.context.userAgent) });
  }
  return event;
}
