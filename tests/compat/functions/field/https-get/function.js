const get = (url) =>
  new Promise((resolve, reject) => {
    https
      .get(url, (res) => {
        const chunks = [];
        res.on('data', (c) => chunks.push(c));
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (res.statusCode < 200 || res.statusCode > 299) return reject(new RetryError('HTTP ' + res.statusCode));
          try {
            resolve(JSON.parse(text));
          } catch (e) {
            reject(new Error('no JSON: ' + text.slice(0, 10)));
          }
        });
      })
      .on('error', (e) => reject(new RetryError(e.message)));
  });

async function onScreen(event) {
  const { title } = await get(`https://cms.example/screens/${encodeURIComponent(event.name)}?lang=en`);
  return { ...event, properties: { ...event.properties, title } };
}
