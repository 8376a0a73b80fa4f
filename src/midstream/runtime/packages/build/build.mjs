// Bundle each package into one script: a function that takes `require`, for a few of Node's modules, and gives the exports.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? dirname(here));
const versions = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies;

/** File name without `.js` → what it requires: an entry of ours where the package needs a word, the package otherwise. */
const BUNDLES = {
  "fetch-retry": "fetch-retry",
  jsonwebtoken: "jsonwebtoken",
  "libphonenumber-js": "libphonenumber-js",
  lodash: "./entries/lodash.cjs",
  "moment-timezone": "moment-timezone",
  oauth: "./entries/oauth.cjs",
  uuidv5: "uuidv5",
  xml: "xml",
  xml2js: "xml2js",
};

// There is no `process` in a function's world, and these packages ask it for little.
const define = {
  "process.version": JSON.stringify("v20.0.0"), // what Segment runs; jsonwebtoken asks what crypto can
  "process.nextTick": "queueMicrotask",
  "process.env.NODE_DEBUG": "undefined",
};

/** Package's file → the words in it that have to be others. Each must be found exactly `times` times. */
const AMENDMENTS = {
  // Locales are read by a computed path; written out, they are found while bundling.
  "moment/moment.js": [
    { from: "aliasedRequire('./locale/' + normalizedName)", to: "require('./locale/' + normalizedName + '.js')", times: 1 },
  ],
  // Deprecated since Node 6, and each use would say so.
  "uuidv5/uuid.js": [
    { from: "new Buffer(16)", to: "Buffer.alloc(16)", times: 1 },
    { from: "new Buffer(", to: "Buffer.from(", times: 2 },
  ],
  // It only asks SlowBuffer, which newer runtimes lack, for a method it never installs here.
  "buffer-equal-constant-time/index.js": [
    { from: "require('buffer').SlowBuffer", to: "require('buffer').Buffer", times: 1 },
  ],
};

const amend = {
  name: "amend",
  setup(bundling) {
    for (const [file, changes] of Object.entries(AMENDMENTS)) {
      const filter = new RegExp(`node_modules/${file.replaceAll(".", "\\.")}$`);
      bundling.onLoad({ filter }, ({ path }) => ({ contents: amended(readFileSync(path, "utf8"), file, changes) }));
    }
  },
};

// A string is scanned faster than the object literal it stands for: half of moment-timezone is its data.
const data = {
  name: "data",
  setup(bundling) {
    bundling.onLoad({ filter: /\.json$/ }, ({ path }) => {
      const value = JSON.stringify(JSON.parse(readFileSync(path, "utf8")));
      return { contents: `module.exports = JSON.parse(${JSON.stringify(value)})` };
    });
  },
};

function amended(text, file, changes) {
  for (const { from, to, times } of changes) {
    const parts = text.split(from);
    if (parts.length !== times + 1) throw new Error(`expected ${times} of "${from}" in ${file}, found ${parts.length - 1}`);
    text = parts.join(to);
  }
  return text;
}

/** Escape what esbuild leaves in regular expressions: one letter beyond Latin-1 would double the whole script in memory. */
function ascii(text) {
  return text.replace(/[^\0-\x7f]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}

const used = new Set();
for (const [name, entry] of Object.entries(BUNDLES)) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: here,
    stdin: { contents: `module.exports = require("${entry}")`, resolveDir: here },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "cjs",
    platform: "node",
    target: "es2022",
    charset: "ascii",
    legalComments: "none", // LICENSES.txt has them whole
    define,
    plugins: [amend, data],
    banner: { js: `(function(require){var module={exports:{}},exports=module.exports;` },
    footer: { js: "return module.exports})" },
  });
  writeFileSync(join(folder, `${name}.js`), ascii(outputFiles[0].text));
  for (const input of Object.keys(metafile.inputs)) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) used.add(found[1]);
  }
}

function licenseOf(name) {
  const at = join(here, "node_modules", name);
  const about = JSON.parse(readFileSync(join(at, "package.json"), "utf8"));
  const file = readdirSync(at).sort().find((each) => /^licen[sc]e(\.(md|txt))?$/i.test(each));
  const author = typeof about.author === "object" ? `${about.author.name} <${about.author.email}>` : about.author;
  const text = file === undefined ? `${about.license}, by ${author}` : readFileSync(join(at, file), "utf8").trim();
  return `${name} ${about.version} (${about.license})\n\n${text.replaceAll("\r\n", "\n")}\n`;
}

const line = `\n${"-".repeat(100)}\n\n`;
const preface = `What the scripts beside this file are made of: ${Object.keys(versions).sort().join(", ")}, and what they need.\n`;
writeFileSync(join(folder, "LICENSES.txt"), [preface, ...[...used].sort().map(licenseOf)].join(line));
