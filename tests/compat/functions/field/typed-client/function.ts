type Result<T> = { ok: true; value: T } | { ok: false; status: number };

abstract class ApiClient {
  protected readonly base: string;
  constructor(base: string, private_token?: string) {
    this.base = base;
    this.token = private_token ?? '';
  }
  token: string;
  abstract path(id: string): string;

  async get<T>(id: string): Promise<Result<T>> {
    const response: Response = await fetch(this.base + this.path(id), { headers: { 'X-Token': this.token } });
    if (!response.ok) return { ok: false, status: response.status };
    return { ok: true, value: (await response.json()) as T };
  }
}

class Accounts extends ApiClient {
  override path(id: string): string {
    return `/accounts/${id}`;
  }
}

async function onGroup(event: any, settings: { base: string; token?: string }) {
  const accounts = new Accounts(settings.base, settings.token);
  const result = await accounts.get<{ plan: string; seats: number }>(event.groupId);
  if (result.ok === false) {
    if (result.status >= 500) throw new RetryError(`accounts: ${result.status}`);
    return event;
  }
  event.traits = { ...event.traits, ...result.value };
  return event;
}
