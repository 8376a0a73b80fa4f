"""Which files make up a function."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from midstream.authoring.source import find
from midstream.domain.settings import Definition
from midstream.errors import Invalid


def lay(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"// {name}")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["mask.js"], "mask.js"),
        (["mask.ts", "segment.d.ts", "eslint.config.js", "notes.md"], "mask.ts"),
        (["function.js", "other.js"], "function.js"),
        (["index.js", "other.js"], "index.js"),
    ],
)
def test_a_folder_has_one_function(tmp_path: Path, names: list[str], found: str) -> None:
    lay(tmp_path, [*names, "cases/b.json", "cases/a.json", "cases/notes.txt"])
    source = find(tmp_path)
    assert source.path == tmp_path / found
    assert source.code == f"// {found}"
    assert source.schema is None
    assert [path.name for path in source.cases] == ["a.json", "b.json"]
    assert find(tmp_path / found) == source


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["segment.d.ts"], "there is no function: expected function.js, or another .js or .ts file"),
        (["b.js", "a.js"], "there are several: a.js, b.js; name one, or call it function.js"),
    ],
)
def test_a_folder_that_does_not_tell_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    lay(tmp_path, names)
    with pytest.raises(Invalid) as caught:
        find(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {said}"


def test_settings_are_declared_beside_the_code(tmp_path: Path) -> None:
    lay(tmp_path, ["function.js"])
    (tmp_path / "function.toml").write_text('[settings.apiKey]\nsensitive = true\n[settings.tags]\ntype = "ARRAY"\n')
    assert find(tmp_path).schema == (
        Definition("apiKey", "apiKey", "", "STRING", required=False, sensitive=True),
        Definition("tags", "tags", "", "ARRAY", required=False, sensitive=False),
    )


def test_hosts_are_declared_beside_the_code_too(tmp_path: Path) -> None:
    lay(tmp_path, ["function.js"])
    assert find(tmp_path).hosts == ()
    (tmp_path / "function.toml").write_text('name = "Ask"\nhosts = ["api.example.com"]\nbatch_max_count = 5\n')
    assert find(tmp_path).hosts == ("api.example.com",)
    assert find(tmp_path).schema == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts = ['https://']", "expected a host such as api.example.com"),
        ("[settings.a]\nsealed = ['x.example']", "setting 'a': only a sensitive setting of type STRING can be sealed"),
        ("[settings.a]\nsecret = true", "settings.a: unknown key 'secret'; known: description, label, required,"),
        ("[settingz.a]", "unknown key 'settingz'; did you mean 'settings'?"),
        ("[settings.a]\ntype = 'TEXT'", "settings.a.type: input should be 'STRING', 'BOOLEAN', 'ARRAY' or 'TEXT_MAP'"),
        ("x", "not readable as TOML: Expected '=' after a key in a key/value pair (at end of document)"),
    ],
)
def test_a_faulty_declaration_is_told_by_its_table(tmp_path: Path, text: str, said: str) -> None:
    lay(tmp_path, ["function.js"])
    (tmp_path / "function.toml").write_text(text)
    with pytest.raises(Invalid) as caught:
        find(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'function.toml'}: {said}")


@pytest.mark.parametrize("name", ["function.toml", "cases/one.json"])
def test_a_file_beside_the_code_is_not_taken_for_code(name: str, tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / name).write_text("")
    with pytest.raises(Invalid, match=r"is not code: name the function's folder, or its \.js or \.ts file"):
        find(tmp_path / name)
