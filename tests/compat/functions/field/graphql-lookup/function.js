const QUERY = `
  query Account($id: ID!) {
    account(id: $id) { plan owner { email } features { name enabled } }
  }
`;

async function onGroup(event, settings) {
  const res = await fetch('https://graph.example/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${settings.token}` },
    body: JSON.stringify({ query: QUERY.replace(/\s+/g, ' ').trim(), variables: { id: event.groupId } })
  });
  const { data, errors } = await res.json();
  if (errors?.length) {
    const codes = errors.map(({ extensions }) => extensions?.code ?? 'UNKNOWN');
    if (codes.includes('THROTTLED')) throw new RetryError(errors[0].message);
    throw new Error(errors.map((e) => e.message).join('; '));
  }
  const { plan, owner, features } = data.account;
  event.traits = {
    ...event.traits, plan, owner: owner?.email ?? null,
    features: features.filter((f) => f.enabled).map((f) => f.name).toSorted(),
  };
  return event;
}
