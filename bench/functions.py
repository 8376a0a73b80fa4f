"""What the benchmarks of functions run: the handlers, the events, and the same code in a bare Deno."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from midstream.runtime.launch import packaged

PASS = "async function onTrack(event) { return event }"

MASK = """
const SHOUTS = /[!?]{3,}|\\b(buy now|act fast)\\b/i;

function sha256(text) {
  const K = sha256.K, bytes = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 128) bytes.push(c);
    else if (c < 2048) bytes.push(192 | c >> 6, 128 | c & 63);
    else bytes.push(224 | c >> 12, 128 | c >> 6 & 63, 128 | c & 63);
  }
  const bits = bytes.length * 8;
  bytes.push(128);
  while (bytes.length % 64 !== 56) bytes.push(0);
  bytes.push(0, 0, 0, 0, bits >>> 24, bits >>> 16 & 255, bits >>> 8 & 255, bits & 255);
  const H = new Int32Array([0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]);
  const w = new Int32Array(64);
  for (let at = 0; at < bytes.length; at += 64) {
    for (let i = 0; i < 16; i++) {
      const j = at + i * 4;
      w[i] = bytes[j] << 24 | bytes[j + 1] << 16 | bytes[j + 2] << 8 | bytes[j + 3];
    }
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15], b = w[i - 2];
      const s0 = (a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3;
      const s1 = (b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = h + s1 + (e & f ^ ~e & g) + K[i] + w[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
      h = g; g = f; f = e; e = d + t1 | 0; d = c; c = b; b = a; a = t1 + t2 | 0;
    }
    H[0] += a; H[1] += b; H[2] += c; H[3] += d; H[4] += e; H[5] += f; H[6] += g; H[7] += h;
  }
  let hex = "";
  for (let i = 0; i < 8; i++) hex += (H[i] >>> 0).toString(16).padStart(8, "0");
  return hex;
}
sha256.K = (() => {
  const K = new Int32Array(64);
  for (let n = 2, i = 0; i < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (prime) K[i++] = (Math.cbrt(n) % 1) * 4294967296 | 0;
  }
  return K;
})();

async function onTrack(event, settings) {
  if (SHOUTS.test(event.properties.comment)) throw new EventNotSupported("shouting is not sent on");
  event.properties.email = sha256(event.properties.email + settings.salt);
  event.properties.masked = true;
  return event;
}
"""
SETTINGS = {"salt": "a-pinch-of-salt"}

# The same code in the same V8, with nothing around it. The errors are what throws cost there too.
BARE = """
const [file, eventsFile, seconds] = Deno.args;
globalThis.EventNotSupported = class EventNotSupported extends Error {};
(0, eval)(Deno.readTextFileSync(file) + "; globalThis.handler = onTrack;");
const events = Deno.readTextFileSync(eventsFile).split("\\n");
const settings = SETTINGS;
async function pass(milliseconds) {
  let done = 0, bytes = 0;
  const begin = performance.now();
  for (;;) {
    for (const text of events) {
      try { bytes += JSON.stringify(await handler(JSON.parse(text), settings)).length } catch { bytes++ }
    }
    done += events.length;
    const took = performance.now() - begin;
    if (took >= milliseconds) return done / took * 1000;
  }
}
await pass(seconds * 300);
console.log(await pass(seconds * 1000));
""".replace("SETTINGS", json.dumps(SETTINGS))


def sample(index: int) -> bytes:
    """Return an event of about 1.2 KB as a Segment library sends it, some of them outside ASCII."""
    cities = ("Lisboa", "Zürich", "東京", "Austin", "København")
    event = {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"api-{index:032x}",
        "anonymousId": f"anonymous-{index}",
        "userId": f"user-{index % 500}",
        "properties": {
            "email": f"person.{index}@example.com",
            "comment": "Buy now!!!" if index % 5 == 0 else "left at the door, thank you",
            "orderId": f"order-{index}",
            "total": 19.5 + index,
            "currency": "EUR",
            "products": [
                {"product_id": f"p-{index}-{n}", "sku": f"G-{n:02}", "name": "Monopoly: third edition", "price": 19 + n}
                for n in range(3)
            ],
        },
        "context": {
            "ip": "203.0.113.9",
            "library": {"name": "analytics-node", "version": "2.1.0"},
            "locale": "en-US",
            "location": {"city": cities[index % 5], "country": "Elsewhere", "latitude": 40.2964, "longitude": -76.9411},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36",
            "page": {"path": "/checkout", "url": "https://shop.example/checkout", "title": "Checkout", "referrer": ""},
        },
        "integrations": {"All": True},
        "timestamp": "2026-01-01T00:00:01.000Z",
        "receivedAt": "2026-01-01T00:00:06.000Z",
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def bare_flags() -> list[str]:
    """Return how a bare Deno is started."""
    return [packaged(), "run", "--no-config", "--no-lock", "--allow-read", "--allow-net=127.0.0.1"]


def bare_rate(folder: Path, code: str, events: list[bytes], seconds: float) -> float:
    """Return the events/s of a handler in one Deno process with nothing around it."""
    (folder / "bare.js").write_text(BARE)
    (folder / "code.js").write_text(code)
    (folder / "events").write_bytes(b"\n".join(events))
    command = [*bare_flags(), "bare.js", "code.js", "events", str(seconds)]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # our own
    return float(said.stdout)
