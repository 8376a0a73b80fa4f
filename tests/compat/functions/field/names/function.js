const PARTICLES = ['van', 'von', 'de', 'der', 'la'];

function split(name) {
  const words = name.trim().split(/\s+/);
  if (words.length < 2) return { firstName: words[0] };
  let at = words.length - 1;
  while (at > 1 && PARTICLES.includes(words[at - 1].toLowerCase())) at--;
  return { firstName: words.slice(0, at).join(' '), lastName: words.slice(at).join(' ') };
}

async function onIdentify(event) {
  const t = event.traits;
  if (t.name && !t.firstName && !t.lastName) Object.assign(t, split(t.name));
  t.initials = [t.firstName, t.lastName].filter(Boolean).map((s) => [...s][0].toLocaleUpperCase()).join('');
  if (t.birthday) {
    var born = new Date(t.birthday);
    t.birthYear = born.getUTCFullYear();
    t.weekday = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][born.getUTCDay()];
    delete t.birthday;
  }
  return event;
}
