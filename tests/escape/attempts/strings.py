"""Code from strings, and modules: `eval` and its relatives, `import()` from wherever it can be written."""

from __future__ import annotations

import json

from tests.escape.attempts.attempt import LOOT, Attempt
from tests.escape.attempts.chains import REFUSED

_READ = "`Deno.readTextFileSync(${JSON.stringify(e.file)})`"
_NO_IMPORT = "TypeError: A dynamic import callback was not specified."
_FS = "(await import('node:fs')).readFileSync(e.file, 'utf8')"

_STRINGS = {
    "eval": f"eval({_READ})",
    "eval in the global scope": f"(0, eval)({_READ})",
    "eval by another name": f"Reflect.apply(globalThis['ev' + 'al'], null, [{_READ}])",
    "eval as a tag": f"((parts, text) => [text].map(eval)[0])`x${{{_READ}}}`",
    "new Function": f"new Function('return ' + {_READ})()",
    "Function with a parameter that is code": f"Function('a = ' + {_READ}, 'return a')()",
    "Function by Reflect.construct": f"Reflect.construct(Function, ['return ' + {_READ}])()",
    "Function by a subclass": f"new (class extends Function {{}})('return ' + {_READ})()",
    "Function as a callback of Array.from": f"Array.from(['return ' + {_READ}], (code) => Function(code))[0]()",
    "Function as a reaction": f"(await Promise.resolve('return ' + {_READ}).then(Function))()",
    "Function as what a thenable resolves to": f"(await {{ then: (done) => done(Function('return ' + {_READ})) }})()",
    "an async function from a string": f"(async () => {{}}).constructor('return ' + {_READ})()",
    "a generator from a string": f"(function* () {{}}).constructor('return ' + {_READ})().next().value",
    "an async generator from a string": f"(await (async function* () {{}}).constructor('return ' + {_READ})().next()).value",
}
_IMPORTS = {
    "import of a module of Node": _FS,
    "import in a default parameter": "(async (fs = import('node:fs')) => (await fs).readFileSync(e.file, 'utf8'))()",
    "import in a class's static block": "await new Promise((done) => { class A { static { import('node:fs').then("
    "(fs) => done(fs.readFileSync(e.file, 'utf8')), (error) => done(String(error))) } } })",
    "import in a getter": "(await ({ get fs() { return import('node:fs') } }).fs).readFileSync(e.file, 'utf8')",
    "import in a timer": "await new Promise((done) => setTimeout(() => import('node:fs').then("
    "(fs) => done(fs.readFileSync(e.file, 'utf8')), (error) => done(String(error))), 0))",
    "import in a reaction of nobody's": "await Promise.resolve('node:fs').then((name) => import(name)).then("
    "(fs) => fs.readFileSync(e.file, 'utf8'))",
    "import of JSON": "(await import('file://' + e.file, { with: { type: 'json' } })).default",
    "import of text": "(await import('data:application/json,' + encodeURIComponent(JSON.stringify('found it')),"
    " { with: { type: 'json' } })).default",
    "import of code in a URL": "(await import('data:text/javascript,export default ' + encodeURIComponent("
    "`Deno.readTextFileSync(${JSON.stringify(e.file)})`))).default",
    "import of code in a blob": "(await import(URL.createObjectURL(new Blob([`export default "
    "Deno.readTextFileSync(${JSON.stringify(e.file)})`], { type: 'text/javascript' })))).default",
    "what a module knows of itself": '(await import(`data:text/javascript,export default [import.meta.url, "found it"]`'
    ")).default.join()",
}


def _all(ways: dict[str, str]) -> str:
    """Return the code of a function that gives what each way gives, or its error, by name."""
    tries = ", ".join(f"{json.dumps(name)}: async () => {way}" for name, way in ways.items())
    return f"""async function onTrack(e) {{
      const got = {{}};
      for (const [name, way] of Object.entries({{ {tries} }})) {{
        try {{ got[name] = await way() }} catch (error) {{ got[name] = String(error) }}
      }}
      return {{ got }};
    }}"""


ATTEMPTS = [
    Attempt("code from strings", _all(_STRINGS), dict.fromkeys(_STRINGS, REFUSED), dict.fromkeys(_STRINGS, LOOT)),
    Attempt("modules", _all(_IMPORTS), dict.fromkeys(_IMPORTS, _NO_IMPORT), dict.fromkeys(_IMPORTS, LOOT)),
]
