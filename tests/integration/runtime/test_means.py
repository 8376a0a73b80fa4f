"""What the host runs code by, and that it is tried before it is counted on."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.domain.isolation import Layer
from midstream.errors import RuntimeUnavailable
from midstream.runtime import launch
from tests.integration.runtime.conftest import LIMITS, Runner

CLOSED = Layer("landlock", on=True)
NAMES = "{ names: Object.getOwnPropertyNames(globalThis).filter(name => name !== 'onTrack').sort() }"


@pytest.mark.parametrize(
    ("layers", "means"), [([CLOSED], "core"), ([], "node"), ([Layer("landlock", on=False, detail="none")], "node")]
)
async def test_denos_own_is_used_where_no_function_can_write_its_cache(
    deno_dir: Path, layers: list[Layer], means: str
) -> None:
    assert (await launch.prepare(LIMITS, None, deno_dir, layers)).program[-1] == means


@pytest.mark.parametrize("broken", ["no internal", "an import() that is answered", "code from strings"])
async def test_a_deno_that_does_otherwise_runs_code_by_nodes_vm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """As an update of Deno could: each is noticed when the cache is filled, and nothing is run by it."""
    host = tmp_path / "host.ts"
    host.write_text(launch.HOST.read_text())
    (tmp_path / "host").mkdir()
    for file in launch.HOST.with_suffix("").glob("*.ts"):
        (tmp_path / "host" / file.name).write_text(file.read_text())
    scripts = tmp_path / "host/scripts.ts"
    words = scripts.read_text()
    if broken == "no internal":
        changed = words.replace("internals[internals.internal]", "internals[Symbol()]")
    elif broken == "an import() that is answered":
        changed = words.replace("const options = [1];", "const options: unknown[] = [];")
    else:
        flags = [flag.replace(",--disallow-code-generation-from-strings", "") for flag in launch._flags(LIMITS)]
        monkeypatch.setattr(launch, "_flags", lambda _: flags)
        changed = words + "// other\n"
    assert changed != words
    scripts.write_text(changed)
    monkeypatch.setattr(launch, "HOST", host)
    if broken == "code from strings":  # then there is nothing to run code by
        with pytest.raises(RuntimeUnavailable, match="expected this Deno to refuse eval"):
            await launch.prepare(LIMITS, None, tmp_path / "cache", [CLOSED])
    else:
        assert (await launch.prepare(LIMITS, None, tmp_path / "cache", [CLOSED])).program[-1] == "node"


async def test_typescript_finds_the_same_globals_as_javascript(either: Runner) -> None:
    as_typed, as_written = [
        (await either(f"function onTrack(e{type_}) {{ return {NAMES} }}", instance=type_ or "ifi_1"))[0].event
        for type_ in (": object", "")
    ]
    assert as_typed == as_written
    assert as_written is not None


@pytest.mark.parametrize(
    "name", ["setTimeout", "setImmediate", "clearInterval", "Buffer", "Request", "fetch", "crypto"]
)
@pytest.mark.parametrize("scope", ["globalThis", "window", "(function () { return this })()"])
async def test_a_global_is_whole_also_for_code_that_makes_its_name_up(either: Runner, name: str, scope: str) -> None:
    """Deno makes some when they are first read, of what is not there any more by then."""
    assert await either.value(f"typeof {scope}['{name[:2]}' + '{name[2:]}']") in ("function", "object")


async def test_code_is_not_run_to_see_whether_it_compiles(either: Runner) -> None:
    """Before it is, Deno's own globals are there."""
    code = "var runs = (globalThis.runs ?? 0) + 1, deno = typeof Deno; onTrack = () => ({ runs, deno });"
    for more in ("", "let typed: number = 1;", "var undefined;"):
        (one,) = await either(code + more, instance=f"ifi_{len(more)}")
        assert one.event == b'{"runs":1,"deno":"undefined"}', more


async def test_code_that_throws_after_it_changed_arrays_did_throw(either: Runner) -> None:
    code = """Array.prototype[Symbol.iterator] = () => { throw 1 };
      Object.defineProperty(Object.prototype, 1, { get: () => null, set() {} }); onTrack = e => e; throw new Error('late')"""
    (one,) = await either(code)
    assert one.error is not None
