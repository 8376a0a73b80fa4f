const CLICK_IDS = new Map([['gclid', 'google'], ['fbclid', 'facebook'], ['msclkid', 'bing']]);

function campaignOf(href) {
  let url;
  try {
    url = new URL(href);
  } catch (e) {
    console.warn('not a URL:', href);
    return null;
  }
  const campaign = {};
  for (const [key, value] of url.searchParams) {
    const match = key.match(/^utm_(source|medium|campaign|term|content)$/);
    if (match && value) campaign[match[1] === 'campaign' ? 'name' : match[1]] = value.trim();
    if (CLICK_IDS.has(key)) campaign.source ??= CLICK_IDS.get(key);
  }
  return Object.keys(campaign).length ? campaign : null;
}

async function onPage(event) {
  const href = event.context?.page?.url ?? event.properties?.url;
  const campaign = href ? campaignOf(href) : null;
  if (campaign) event.context = { ...event.context, campaign };
  return event;
}
