// Handles many events in one call, so that a slow API is asked once for all of them. What is returned is matched to what
// came by messageId: an event that is left out is filtered, an Error in its place is the outcome of that event alone.

/** @param {SegmentEvent[]} events @param {FunctionSettings} settings */
async function onBatch(events, settings) {
  const plans = await plansOf(events.map((event) => event.userId), settings);
  return events.map((event) => {
    if (event.type === "delete") return event;
    const plan = plans[event.userId];
    if (plan === undefined) return new ValidationError(`there is no user ${event.userId}`);
    return { ...event, context: { ...event.context, plan } };
  });
}

/** Ask for the plans of all users at once.
 * @param {(string | null | undefined)[]} userIds @param {FunctionSettings} settings
 * @returns {Promise<Record<string, string>>} */
async function plansOf(userIds, settings) {
  let answer;
  try {
    answer = await fetch(`${settings.apiUrl}/plans`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ users: [...new Set(userIds.filter(Boolean))].sort() }),
    });
  } catch (error) {
    throw new RetryError(`the API cannot be reached: ${error.message}`);
  }
  if (answer.status >= 500 || answer.status === 429) throw new RetryError(`the API answered ${answer.status}`);
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  return await answer.json();
}

// An event that is alone goes to the handler of its type, if there is one.

async function onTrack(event, settings) {
  return alone(event, settings);
}

async function onIdentify(event, settings) {
  return alone(event, settings);
}

async function onPage(event, settings) {
  return alone(event, settings);
}

async function onScreen(event, settings) {
  return alone(event, settings);
}

async function onGroup(event, settings) {
  return alone(event, settings);
}

async function onAlias(event, settings) {
  return alone(event, settings);
}

async function onDelete(event) {
  return event;
}

/** @param {SegmentEvent} event @param {FunctionSettings} settings */
async function alone(event, settings) {
  const [result] = await onBatch([event], settings);
  if (result instanceof Error) throw result;
  return result;
}
