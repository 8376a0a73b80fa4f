from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from midstream.domain.function import Limits
from midstream.runtime import libraries, protocol
from midstream.runtime.libraries import LIBRARIES, Library, libraries_for, packages_named

HOST = Path(libraries.__file__).with_name("host")


def test_what_every_function_says_needs_none() -> None:
    code = "// https://h.test/ with application/xml\nasync function onTrack(e) { e.__ = 1; return e }"
    assert libraries_for(code) == []


def test_a_global_of_the_authors_own_is_no_package() -> None:
    assert packages_named("const moment = 1; // _\n'xml2js'; event.zlib; ({ uuidv5: 1 }); https.get()") == ["https"]


@pytest.mark.parametrize("name", [library.name for library in LIBRARIES])
def test_a_package_travels_wherever_it_is_named(name: str) -> None:
    for code in (
        f"{name}.x()",
        f"const {{ x }} = {name}",
        f"f(...{name})",
        f"globalThis.{name}",
        f"'it`s' + {name}(1)",
    ):
        assert [library.name for library in libraries_for(code)] == [name]
        assert packages_named(code) == [name]


@pytest.mark.parametrize("library", [library for library in LIBRARIES if library.bundle], ids=lambda one: one.name)
def test_a_bundle_is_ascii_and_asks_for_no_module_that_it_is_not_given(library: Library) -> None:
    asked = set(re.findall(r'\brequire\("([^"]+)"\)', library.script().decode("ascii")))
    # lodash asks for util only if it finds process, too.
    assert asked - set(library.needs) <= ({"util"} if library.name == "_" else set())


def test_the_host_knows_every_module_that_is_needed() -> None:
    known = set(re.findall(r"^  (\w+): (?:async )?\(", (HOST / "packages.ts").read_text(), re.MULTILINE))
    assert {module for library in LIBRARIES for module in library.needs} == known


def test_only_the_bundles_a_code_names_are_sent_after_its_head() -> None:
    head, _, bundles = protocol.load("_.map(xml)", {}, Limits()).partition(b"\n")
    sent = json.loads(head)["packages"]
    assert [(one["global"], one["member"], one["needs"]) for one in sent] == [("_", "", []), ("xml", "", ["stream"])]
    assert bundles.startswith(Library("_", "lodash").script())
    assert len(bundles) == sum(one["size"] for one in sent)
    assert protocol.load("onTrack = e => e", {}, Limits()).endswith(b"}\n")
