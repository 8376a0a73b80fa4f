// Walk all that is reachable from LIBRARY, and from what is made with it, and name what would lead outside.
const bad = /^(writeSync|readSync|readTextFile.*|Command|dlopen|exit|kill|core|ops|op_.*|getBuiltinModule|mainModule|setFlagsFromString|env|Deno|process|execPath|stdin|stdout|createRequire|openSync|runInThisContext|Worker|internalBinding|cwd|chdir|require)$/;
const made = {
  _: () => [_([1]), _.chain([1]), _.runInContext()],
  moment: () => [moment(), moment.tz(0, "Asia/Tokyo"), moment.duration(1), moment.localeData("de")],
  jsonwebtoken: () => [new jsonwebtoken.JsonWebTokenError("x"), jsonwebtoken.decode(jsonwebtoken.sign({}, "x"), { complete: true })],
  libphonenumberjslib: () => [libphonenumberjslib.libphonenumberjs("+12133734253")],
  uuidv5: () => [uuidv5.uuidv5("dns", "x", true)],
  xml: () => [xml({ a: 1 }, { stream: true }), xml.element()],
  xml2js: () => [new xml2js.Parser(), new xml2js.Parser().saxParser, new xml2js.Builder()],
  fetchretrylib: () => [fetchretrylib.fetchretry(async () => {})],
  OAuth: () => [new OAuth("", "", "k", "s", "1.0", null, "HMAC-SHA1"), new OAuth.OAuth2("k", "s", "https://h.test")],
  zlib: () => [zlib.zlib.gzipSync("x")],
  https: () => {
    const request = https.get("https://h.test/", (response) => seen.add(response));
    return [request, new https.Agent(), https.globalAgent];
  },
};
const seen = new Set();

function walk(queue) {
  const hits = [];
  while (queue.length && seen.size < 50000) {
    const [value, path] = queue.shift();
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
    seen.add(value);
    for (const key of Reflect.ownKeys(value)) {
      const at = path + "." + String(key), { get, value: inner } = Reflect.getOwnPropertyDescriptor(value, key);
      let read = inner;
      if (get) { queue.push([get, at + "<get>"]); try { read = value[key] } catch { continue } }
      if (bad.test(String(key)) && read !== undefined) hits.push(at);
      queue.push([read, at]);
    }
    queue.push([Object.getPrototypeOf(value), path + ".__proto__"]);
  }
  return hits;
}

async function onTrack() {
  const answered = made.LIBRARY();
  if (answered[0]?.on) answered[0].on("error", () => {});
  await new Promise((done) => setTimeout(done, 20));
  const hits = walk([[LIBRARY, "LIBRARY"], ...[...seen, ...answered].map((value, at) => [value, `made[${at}]`])]);
  return { seen: seen.size, hits };
}
