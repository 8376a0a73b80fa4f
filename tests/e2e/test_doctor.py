"""`midstream doctor` finds what is wrong with a machine, says what to do, and leaves everything as it was."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from midstream.domain.isolation import LAYERS
from midstream.runtime import isolation
from tests.e2e.test_cli import SECRET, midstream, says
from tests.whole import running

NAMES = {
    *("configuration", "python", "nats-server", "deno", "deno cache", "data dir", "port", "database", "master key"),
    *("disk space", "open files", *(f"isolation {layer}" for layer in LAYERS)),
}


def examined(cwd: Path, code: int = 0, **environ: str) -> dict[str, tuple[str, str]]:
    """Return what doctor said of each thing: the verdict, and the rest in one text."""
    ran = midstream("doctor", "--json", cwd=cwd, **{"MIDSTREAM_PORT": "0"} | environ)
    found = {each["name"]: (each["verdict"], f"{each['said']}; {each['advice']}") for each in json.loads(ran.stdout)}
    assert ran.returncode == code, ran.stdout
    return found


def test_a_new_folder_is_well_and_nothing_is_made_in_it(tmp_path: Path) -> None:
    found = examined(tmp_path)
    assert set(found) == NAMES
    assert [name for name, (verdict, _) in found.items() if verdict == "fail"] == []
    assert "will be made" in found["database"][1]
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_line_for_each_thing_to_people(tmp_path: Path) -> None:
    ran = midstream("doctor", cwd=tmp_path, MIDSTREAM_PORT="0")
    lines = ran.stdout.splitlines()
    assert len(lines) == len(NAMES)
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}
    layers = [line for line in lines if "isolation" in line]
    assert [line.startswith("ok") for line in layers] == [layer.on for layer in isolation.find()]


def test_what_is_wrong_fails_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "midstream.db").write_text("not a database, but long enough to be read as one " * 100)
    (tmp_path / "data" / "master.key").write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        nowhere = {"MIDSTREAM_DENO": "/nowhere/deno", "MIDSTREAM_NATS_SERVER": "/nowhere/nats"}
        found = examined(tmp_path, 1, MIDSTREAM_PORT=port, **nowhere)
    failed = {name: said for name, (verdict, said) in found.items() if verdict == "fail"}
    assert set(failed) == {"nats-server", "deno", "port", "database", "master key"}
    assert "set deno to one that runs" in failed["deno"]
    assert "set nats_server to one that runs" in failed["nats-server"]
    assert "choose another with --port" in failed["port"]
    assert "the database did not serve" in failed["database"]
    assert SECRET not in str(found)


def test_what_others_may_read_is_warned_of(tmp_path: Path) -> None:
    midstream("migrate", cwd=tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "shop.toml").write_text("[source.website]\n")
    midstream("apply", "folder", cwd=tmp_path)
    data = tmp_path / "data"
    assert [examined(tmp_path)[name][0] for name in ("data dir", "database", "master key")] == ["ok"] * 3
    data.chmod(0o755)
    (data / "master.key").chmod(0o644)
    found = examined(tmp_path)
    assert found["data dir"] == ("warn", "others may look into data; chmod 700 data")
    assert found["master key"] == ("warn", "others may read data/master.key; chmod 600 data/master.key")


def test_a_key_that_is_gone_while_sealed_settings_need_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "shop.toml").write_text(
        '[source.website]\n[destination.hook]\nsource = "website"\ntype = "webhook"\n'
        f'settings = {{ url = "https://example.com/", shared_secret = "{SECRET}" }}\n'
    )
    says(midstream("apply", "folder", cwd=tmp_path), 0, stdout="created")
    (tmp_path / "data" / "master.key").unlink()
    verdict, said = examined(tmp_path, 1)["master key"]
    assert (verdict, "restore it from a backup" in said) == ("fail", True)


def test_a_database_of_another_version_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "midstream.db").touch()
    verdict, said = examined(tmp_path)["database"]
    assert (verdict, "`midstream migrate`" in said) == ("warn", True)


def test_beside_a_running_midstream_it_says_which_process_has_the_data_dir(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        assert whole.process
        port = whole.base_url.rpartition(":")[2]
        found = examined(tmp_path, MIDSTREAM_DATA_DIR=str(whole.data_dir), MIDSTREAM_PORT=port)
        assert found["data dir"][0] == found["port"][0] == "warn"
        assert f"(process {whole.process.pid})" in found["data dir"][1]
        assert found["database"][0] == found["master key"][0] == "ok"


def test_a_setting_that_does_not_exist_fails_and_ends_with_78(tmp_path: Path) -> None:
    verdict, said = examined(tmp_path, 78, MIDSTREAM_PROT="1")["configuration"]
    assert (verdict, "Did you mean 'port'?" in said) == ("fail", True)


def test_a_folder_of_somebody_else_fails(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "data").mkdir(mode=0o500)
    assert examined(tmp_path, 1)["data dir"][0] == "fail"
    shutil.rmtree(tmp_path / "data")
