// A host as one writes it who trusts functions: the same realm, the real globals, whatever is at hand. For comparison.
// Enters: on standard input the code, then batches of events, each as one line of JSON. Leaves: a line a batch.
const lines = [];
const out = new Uint8Array(1 << 20);
const names = new Map([["track", "onTrack"], ["page", "onPage"]]);

async function read() {
  let all = "";
  const chunk = new Uint8Array(1 << 16);
  while (!all.endsWith("\n\n")) all += new TextDecoder().decode(chunk.slice(0, await Deno.stdin.read(chunk)));
  lines.push(...all.trim().split("\n"));
}

function print(text) {
  let bytes = out.subarray(0, new TextEncoder().encodeInto(text + "\n", out).written);
  while (bytes.length > 0) {
    const rest = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes = bytes.subarray(Deno.stdout.writeSync(rest));
  }
}

async function invoke(slot, settings) {
  try {
    const type = slot.event.type.toLowerCase();
    if (!/^(track|page)$/.test(type)) throw new TypeError(`there is no handler for ${String(type)}`);
    return await globalThis[names.get(type)].call(undefined, slot.event, settings);
  } catch (error) {
    return { error: error.name + ": " + error.message + "\n" + error.stack };
  }
}

async function limited(slot, settings) {
  let timer;
  const late = new Promise((done) => timer = setTimeout(done, 60_000, { error: "late" }));
  slot.result = await Promise.race([invoke(slot, settings), late]);
  clearTimeout(timer);
  slot.line = JSON.stringify(slot.result ?? null);
}

async function run(batch, settings) {
  const slots = [];
  for (const event of batch) {
    const slot = {};
    slot.event = event;
    slot.index = slots.length;
    slots[slot.index] = slot;
  }
  await Promise.all(slots.map((slot) => limited(slot, settings)));
  print("[" + slots.map((slot) => slot.line).join(",") + "]");
}

print("ready");
await read();
const { code, settings } = JSON.parse(lines.shift());
(0, eval)(code);
for (const line of lines) await run(JSON.parse(line), settings);
await Deno.stdin.read(new Uint8Array(1)); // until nobody is there any more
