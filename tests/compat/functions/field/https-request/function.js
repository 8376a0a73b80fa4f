// Written before there was fetch.
function request(options, body) {
  return new Promise((resolve, reject) => {
    const req = https.request(options, (res) => {
      let data = '';
      res.on('data', (chunk) => { data += chunk; });
      res.on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'], data: data }));
    });
    req.on('error', reject);
    if (body) req.write(body);
    req.end();
  });
}

async function onTrack(event, settings) {
  const body = JSON.stringify({ text: event.event });
  const options = {
    hostname: 'hooks.example',
    port: 443,
    path: '/services/' + settings.path,
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
  };
  let answer;
  try {
    answer = await request(options, body);
  } catch (e) {
    throw new RetryError('hooks.example: ' + (e.code || e.message));
  }
  if (answer.status !== 200) throw new InvalidEventPayload(answer.status + ' ' + answer.data);
  event.properties = Object.assign({}, event.properties, { answer: JSON.parse(answer.data), type: answer.type });
  return event;
}
