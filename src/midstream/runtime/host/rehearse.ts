// The run without code, which fills Deno's cache: no other can write it. What only some code needs is loaded here, too.
import { proven } from "./scripts.ts";
import { takeWeb } from "./fetch.ts";
import { loadAll } from "./packages.ts";

/** Load all of it, and throw when this Deno does not do what the host counts on. */
export async function rehearse(): Promise<void> {
  await proven();
  takeWeb();
  await loadAll((await import("node:crypto")).default);
  await import("node:util");
  (await import("node:module")).stripTypeScriptTypes("let typed: string");
}
