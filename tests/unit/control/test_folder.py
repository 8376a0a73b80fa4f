from __future__ import annotations

from pathlib import Path

import pytest

from midstream.control.folder import read
from midstream.domain.settings import Definition
from midstream.domain.topology import OnError
from midstream.errors import Invalid

WHOLE = """
[workspace]
name = "Shop"

[source.website]
name = "Website"
write_keys = ["wk_12345678", {env = "WEBSITE_WRITE_KEY"}]

[destination.warehouse]
source = "website"
type = "webhook"
settings = { url = "https://example.com", shared_secret = { env = "X" } }

[[destination.warehouse.functions]]
function = "mask-email"
on_error = "quarantine"
settings = { salt = { env = "MASK_SALT" } }

[function.mask-email]
name = "Mask e-mail addresses"
code = "mask-email.js"

[function.mask-email.settings.salt]
label = "Salt"
type = "STRING"
required = true
sensitive = true
"""


def write(directory: Path, **files: str) -> Path:
    for name, content in files.items():
        (directory / f"{name}.toml").write_text(content)
    return directory


def refusal(directory: Path) -> str:
    with pytest.raises(Invalid) as caught:
        read(directory)
    return str(caught.value)


def test_a_folder_is_read_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "mask-email.js").write_text("function onTrack(e) { return e }")
    folder = read(write(tmp_path, shop=WHOLE))
    assert folder.workspace.name == "Shop"
    assert folder.sources["website"].enabled
    [entry] = folder.destinations["warehouse"].functions
    assert (entry.function, entry.enabled, entry.on_error) == ("mask-email", True, OnError.QUARANTINE)
    assert folder.code == {"mask-email": "function onTrack(e) { return e }"}
    assert folder.functions["mask-email"].definitions() == (Definition("salt", "Salt", "", "STRING", True, True),)
    assert folder.where("source.website") == "shop.toml: source.website"


def test_all_files_of_a_folder_are_one(tmp_path: Path) -> None:
    folder = read(write(tmp_path, a="[source.a]", b='[source.b]\n[destination.d]\nsource = "a"\ntype = "sink"'))
    assert set(folder.sources) == {"a", "b"}
    assert folder.files == {"source.a": "a.toml", "source.b": "b.toml", "destination.d": "b.toml"}


def test_the_servers_own_configuration_may_lie_in_the_folder(tmp_path: Path) -> None:
    assert set(read(write(tmp_path, midstream="port = 4700", a="[source.a]")).sources) == {"a"}


def test_a_table_defined_in_two_files_names_both(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, a="[source.website]", b="[source.website]"))
    assert text == "[source.website] is defined twice, in a.toml and in b.toml: keep one"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[source.a]\nnmae = 'x'", "shop.toml: source.a: unknown key 'nmae'; did you mean 'name'?"),
        ("[sources.a]", "shop.toml: unknown table [sources]; did you mean 'source'?"),
        ("source = 3", "shop.toml: expected a table [source], got a value"),
        ("[source]\na = 3", "shop.toml: source.a: input should be a valid dictionary or instance of SourceSection"),
        (
            "[source.Web]",
            "shop.toml: source.Web: expected lower-case letters, digits, - and _, of which the first is a",
        ),
        ("[source._web]", "shop.toml: source._web: expected lower-case letters, digits, - and _, of which"),
        (f"[source.{'w' * 101}]", f"shop.toml: source.{'w' * 101}: expected lower-case letters, digits, - and _, of"),
        ("[destination.d]\ntype = 'sink'", "shop.toml: destination.d.source: this key is missing"),
        (
            "[destination.d]\nsource='a'\ntype='sink'\nfunctions=[{function='f'}, {function='g', on_eror='pass'}]",
            "shop.toml: destination.d.functions[1]: unknown key 'on_eror'; did you mean 'on_error'?",
        ),
        (
            "[destination.d]\nsource='a'\ntype='sink'\nfunctions=[{function='f', on_error='stop'}]",
            "shop.toml: destination.d.functions[0].on_error: input should be 'block', 'pass' or 'quarantine'",
        ),
        (
            "[destination.d]\nsource='a'\ntype='sink'\nfunctions=[{function='f'}, {function='f'}]",
            "shop.toml: destination.d: function 'f' is in the chain twice; give each a name of its own",
        ),
        (f"[source.a]\nname = '{'x' * 121}'", "shop.toml: source.a.name: string should have at most 120 characters"),
        ("[function.f]\ncode = 'gone.js'", "'gone.js' cannot be read: No such file or directory"),
        ("[function.f]\ncode = '../f.js'", "'../f.js' is outside of the folder"),
        (
            "[function.f]\ncode='shop.toml'\nsettings.s.type='TEXT'",
            "function.f.settings.s.type: input should be 'STRING', ",
        ),
        ("[source.a", "shop.toml: not readable as TOML: "),
    ],
)
def test_a_fault_names_its_file_and_table_and_what_to_do(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(write(tmp_path, shop=content))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, a="[source.a]\nenabled = 'yes please'", b="[function.f]\ncode = 'gone.js'"))
    assert [line.split(": ")[:2] for line in text.splitlines()] == [
        ["b.toml", "function.f.code"],
        ["a.toml", "source.a.enabled"],
    ]


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    assert "s3cret" not in refusal(write(tmp_path, a="[source.a]\nwrite_keys = 's3cret'"))
    assert "s3cret" not in refusal(write(tmp_path, a="[source.a]\nwrite_keys = [{ evn = 's3cret' }]"))


def test_code_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a="[function.f]\ncode = 'f.js'")
    (tmp_path / "f.js").write_bytes(b"\xff\xfe")
    assert "'f.js' is not UTF-8 text" in refusal(tmp_path)
    (tmp_path / "f.js").write_text("x" * (1024 * 1024 + 1))
    assert "the code is longer than 1048576 bytes" in refusal(tmp_path)


CRM = "[function.crm]\ncode = 'crm/function.js'\n"
DECLARED = """
name = "To the CRM"
hosts = ["crm.example.com"]
batch_max_count = 5
[settings.apiKey]
sensitive = true
[settings.region]
required = true
"""


def crm(tmp_path: Path, declared: str, table: str = CRM) -> Path:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "function.js").write_text("function onTrack(e) { return e }")
    (tmp_path / "crm" / "function.toml").write_text(declared)
    return write(tmp_path, shop=table)


def test_what_is_declared_beside_the_code_is_the_functions(tmp_path: Path) -> None:
    section = read(crm(tmp_path, DECLARED)).functions["crm"]
    assert (section.name, section.hosts, section.batch_max_count) == ("To the CRM", ("crm.example.com",), 5)
    assert [(it.name, it.sensitive, it.required) for it in section.definitions()] == [
        ("apiKey", True, False),
        ("region", False, True),
    ]


def test_what_the_folder_says_itself_goes_before_it_key_by_key(tmp_path: Path) -> None:
    table = f"{CRM}name = 'CRM'\nhosts = []\n[function.crm.settings.region]\nlabel = 'Where'\n"
    section = read(crm(tmp_path, DECLARED, table)).functions["crm"]
    assert (section.name, section.hosts, section.batch_max_count) == ("CRM", (), 5)
    assert [(it.name, it.label, it.required) for it in section.definitions()] == [
        ("apiKey", "apiKey", False),
        ("region", "Where", False),
    ]


def test_a_fault_in_what_is_declared_names_its_file(tmp_path: Path) -> None:
    said = "shop.toml: function.crm.code: crm/function.toml: unknown key 'hots'; did you mean 'hosts'?"
    assert refusal(crm(tmp_path, "hots = []")) == said
    (tmp_path / "crm" / "function.toml").write_bytes(b"\xff")
    assert refusal(tmp_path) == "shop.toml: function.crm.code: crm/function.toml: is not UTF-8 text"


def test_nothing_that_lies_outside_of_the_folder_is_read_as_declared(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    crm(folder, "")
    (tmp_path / "function.toml").write_text("s3cret")
    (folder / "crm" / "function.toml").unlink()
    (folder / "crm" / "function.toml").symlink_to(tmp_path / "function.toml")
    assert refusal(folder) == "shop.toml: function.crm.code: 'crm/function.toml' is outside of the folder"
    write(folder, shop="[function.crm]\ncode = '../function.js'\n")
    assert refusal(folder) == "shop.toml: function.crm.code: '../function.js' is outside of the folder"


def test_a_function_toml_in_the_folder_itself_is_one_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "f.js").write_text("function onTrack(e) { return e }")
    assert read(write(tmp_path, function="[function.f]\ncode = 'f.js'\n")).functions["f"].name is None


def test_a_folder_without_toml_is_refused(tmp_path: Path) -> None:
    assert "there is no .toml file" in refusal(tmp_path)
    assert "is not a directory" in refusal(tmp_path / "nowhere")
