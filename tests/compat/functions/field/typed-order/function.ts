interface LineItem {
  sku: string;
  price: number;
  quantity?: number;
}

type Order = { order_id: string; products: LineItem[]; coupon?: string | null };

interface TrackEvent<T> {
  type: 'track';
  event: string;
  userId?: string;
  properties: T & Record<string, unknown>;
}

const round = (value: number): number => Math.round(value * 100) / 100;

function totals(products: readonly LineItem[]): { subtotal: number; items: number } {
  let subtotal = 0;
  let items = 0;
  for (const { price, quantity = 1 } of products) {
    subtotal += price * quantity;
    items += quantity;
  }
  return { subtotal: round(subtotal), items };
}

async function onTrack(event: TrackEvent<Order>, settings: { discount: string }): Promise<TrackEvent<Order>> {
  const products = event.properties.products as LineItem[];
  if (!Array.isArray(products)) throw new ValidationError('products must be a list');
  const { subtotal, items } = totals(products);
  const discount = event.properties.coupon ? Number(settings!.discount) : 0;
  Object.assign(event.properties, { subtotal, items, total: round(subtotal * (1 - discount / 100)) } satisfies Partial<Record<string, number>>);
  return event;
}
