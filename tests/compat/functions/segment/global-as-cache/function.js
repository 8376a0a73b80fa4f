// Lives as long as the environment does.
let products = null;
let loads = 0;

async function onTrack(event, settings) {
  if (!products) {
    loads++;
    products = fetch('https://shop.example/products.json').then((response) => response.json());
  }
  const catalogue = await products;
  event.properties.product = catalogue[event.properties.sku] || 'unknown';
  event.properties.loads = loads;
  return event;
}
