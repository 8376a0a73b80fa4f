const POINTS = { 'Pricing Viewed': 10, 'Demo Requested': 50, 'Docs Viewed': 2 };
const TITLES = [[/chief|c[etfo]o\b|founder/i, 30], [/head|director|vp/i, 20], [/student|intern/i, -20]];
const scores = new Map();
const decay = (points, days) => points * Math.exp(-days / 14);

function onIdentify(event) {
  const t = event.traits || {};
  let score = 0;
  for (const [pattern, points] of TITLES) if (pattern.test(t.title)) score += points;
  score += Math.min(30, Math.floor(Math.log10(Math.max(1, +t.employees || 0)) * 10));
  scores.set(event.userId, { score, at: event.timestamp });
  return { ...event, traits: { ...t, lead_score: score, grade: 'DCBA'[Math.max(0, Math.min(3, Math.floor(score / 20)))] } };
}

function onTrack(event) {
  if (!Object.keys(POINTS).includes(event.event)) throw new DropEvent('gives no points');
  const was = scores.get(event.userId) ?? { score: 0, at: event.timestamp };
  const days = (new Date(event.timestamp) - new Date(was.at)) / 864e5;
  const score = Math.round(decay(was.score, days) + POINTS[event.event]);
  scores.set(event.userId, { score, at: event.timestamp });
  event.properties = { ...event.properties, lead_score: score };
  return event;
}
