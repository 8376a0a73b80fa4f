"""What a check finds in code, with a real Deno."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.authoring.check import Checked, check
from midstream.authoring.mocked import Mocked
from midstream.authoring.preview import Trial, Workbench, preview
from midstream.authoring.types import Depth
from midstream.runtime.libraries import LIBRARIES

ALL = "\n".join(
    f"function on{name}(event) {{ return event }}"
    for name in ("Track", "Identify", "Page", "Screen", "Group", "Alias", "Delete")
)
# What authors write every day, and TypeScript minds.
ORDINARY = """
var client
let total = 0
const out = {}
out.count = 0
async function onTrack(event, settings) {
  client = client || { key: settings.key }
  const age = new Date() - new Date(event.timestamp)
  const error = new Error('x'); error.status = 500
  const list = []; list.push({ a: 1 }); list[0].b = '5' * 2
  const query = new URLSearchParams({ a: 1, b: event.userId })
  const { email, ...rest } = event.traits
  event.properties = Object.assign({}, event.properties, { age, rest, list })
  event.context.custom = { query: String(query), [email]: btoa(settings.key) }
  event.integrations['Some Tool'] = { sessionId: 1 }
  const sum = crypto.createHmac('sha256', settings.key).update(event.userId + '').digest('hex')
  const bytes = Buffer.from(sum, 'hex').toString('base64')
  const token = await cache.load('token', 60 * 1000, async () => (await (await fetch('https://x.example')).json()).token)
  const groups = _.groupBy(event.properties.products, 'sku')
  const when = moment(event.timestamp).tz('Europe/Berlin').format()
  await new Promise(resolve => setTimeout(resolve, 10))
  event.timestamp = new Date()
  try { JSON.parse(event.properties.raw) } catch (e) { throw new RetryError(e.message, e) }
  if (typeof globalThis.seen === 'undefined') globalThis.seen = {}
  console.log(sum, bytes, token, groups, when, total++)
  return event
}
onPage = async (event) => { event.name = event.name.toUpperCase(); return event }
onDelete = function (event) { return event }
"""


async def found(code: str, types: Depth = "none", *, typescript: bool = False) -> Checked:
    return await check(code, Workbench(), types=types, typescript=typescript)


async def codes(code: str, types: Depth = "none", *, typescript: bool = False) -> list[str]:
    return [each.code for each in (await found(code, types, typescript=typescript)).diagnoses]


async def test_a_function_with_all_handlers_has_nothing_to_be_said_of() -> None:
    whole = await found(ALL)
    assert len(whole.handlers) == 7
    assert whole.diagnoses == ()
    assert not whole.faulty


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("const x = 1", ["no_handler"]),
        ("onTrack = e => e", ["missing_handlers", "no_on_delete"]),
        ("onDelete = e => e", ["missing_handlers"]),
        ("onBatch = e => e", []),
        ("function onTrack( {", ["syntax"]),
        ("null.x", ["load"]),
    ],
)
async def test_what_a_function_lacks_is_told(code: str, wanted: list[str]) -> None:
    assert await codes(code) == wanted


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("async function onIdentity(event) { return event }", "onIdentify"),
        ("const ontrack = (event) => event", "onTrack"),
        ("onTracks = (event) => event", "onTrack"),
        ("function onBatches(events) { return events }", "onBatch"),
        ("function onEvent(event) { return event }", None),
        ("  function onTrak(event) { return event }", None),
        ("const onTrackMissing = onTrack === undefined", None),
    ],
)
async def test_a_function_that_is_nearly_called_like_a_missing_handler_is_found(line: str, meant: str | None) -> None:
    diagnoses = (await found(f"var onTrack\nonDelete = (event) => event\n{line}")).diagnoses
    said = [(each.message, each.line) for each in diagnoses if each.code == "misnamed_handler"]
    assert said == ([] if meant is None else [(said[0][0], 3)])
    assert all(text.endswith(f"nothing will call it; did you mean {meant!r}?") for text, _ in said)


async def test_a_fault_is_told_with_its_line() -> None:
    (fault,) = (await found("const a = 1\n  a.b.c()\n")).diagnoses
    assert (fault.severity, fault.line, fault.column, fault.source_line) == ("error", 2, 7, "  a.b.c()")


async def test_ordinary_javascript_is_not_bothered_with_types() -> None:
    assert await codes(ORDINARY, "names") == ["missing_handlers"]


async def test_names_that_do_not_exist_are_found_at_their_place() -> None:
    code = "onTrack = e => {\n  evnt.x = lookUpp('fs')\n  return require('fs')\n}\n" + ALL
    names = [each for each in (await found(code, "names")).diagnoses if each.code == "unknown_name"]
    assert [(each.message, each.line, each.column, each.severity) for each in names] == [
        ("Cannot find name 'evnt'. Did you mean 'Event'?", 2, 3, "warning"),
        ("Cannot find name 'lookUpp'.", 2, 12, "warning"),
        ("Cannot find name 'require'.", 3, 10, "warning"),
    ]


async def test_a_global_that_is_not_here_is_told_once_with_what_to_do_instead() -> None:
    code = "// stripe\nfunction pay() { return stripe.charges }\nconst pay2 = () => new AWS.S3()\n" + ALL
    stripe, aws = (await found(code, "names")).diagnoses
    assert (stripe.severity, stripe.code, stripe.line, stripe.column) == ("warning", "absent_global", 2, 25)
    assert stripe.message.startswith("stripe is not part of midstream: call its HTTP API with fetch")
    assert aws.line == 3


async def test_the_types_know_every_global_there_is() -> None:
    listing = "onTrack = () => ({ names: Object.getOwnPropertyNames(globalThis) }) // console fetch cache crypto"
    shown = await preview(Trial(listing, [{"type": "track"}]), Mocked([]).send, Workbench())
    names = {*shown.results[0]["event"]["names"], *(library.name for library in LIBRARIES)}
    assert len(names) > 100
    assert "unknown_name" not in await codes(f"onTrack = () => [{', '.join(sorted(names))}]", "names")


async def test_annotated_code_is_checked_as_a_whole_when_asked() -> None:
    code = "/** @param {SegmentTrackEvent} event */\nfunction onTrack(event) { event.event.nope(); return event }\n"
    (fault,) = [each for each in (await found(code, "all")).diagnoses if each.code == "type"]
    assert fault.message == "Property 'nope' does not exist on type 'string'."
    assert (fault.severity, fault.line) == ("error", 2)


async def test_typescript_is_checked_as_such() -> None:
    code = "async function onTrack(event: SegmentTrackEvent): Promise<SegmentEvent> { return event }\n"
    wrong = "function onPage(event: SegmentPageEvent): number { return event.version.length }\n"
    assert await codes(code, "all", typescript=True) == ["missing_handlers", "no_on_delete"]
    assert "type" in await codes(wrong, "all", typescript=True)


async def test_no_file_of_the_machine_is_read_for_the_types_of_a_code(tmp_path: Path) -> None:
    planted = tmp_path / "secret.ts"
    planted.write_text("planted secret {{{")
    lines = (
        f'/// <reference path="{planted}" />',
        f'/** @type {{import("{planted}")}} */ let x',
        f'const load = () => import("{planted}")',
        f'const read = () => require("{planted}")',
        f'/** @import * as x from "{planted}" */',
        f'// @deno-types="{planted}"',
    )
    said = await found("\n".join([*lines, ALL]), "all")
    assert [(each.message, each.line) for each in said.diagnoses] == [
        ("Cannot find name 'import'.", 3),
        ("Cannot find name 'require'.", 4),
    ]


async def test_types_that_are_too_much_to_be_checked_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midstream.authoring.types._PATIENCE", 0.01)
    (said,) = (await found(ALL, "names")).diagnoses
    assert said.message == "the types are too much to be checked within 0.01 s and 512 MB"
    monkeypatch.setattr("midstream.authoring.types._PATIENCE", 30)
    monkeypatch.setattr("midstream.authoring.types._MEMORY_MB", 8)
    (said,) = (await found(ALL, "names")).diagnoses
    assert said.code == "unchecked_types"
