"""Commands that ask a midstream over HTTP, with a token, as from another machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Ran, midstream, says
from tests.whole import Whole, running

FOLDER = """
[source.website]
[destination.bin]
source = "website"
type = "sink"
"""
SECRET = "planted-secret-value"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running(tmp_path_factory.mktemp("server")) as whole:
        applied = whole.apply({"shop.toml": FOLDER})
        assert applied.returncode == 0, applied.stderr
        yield whole


def token(whole: Whole, *roles: str) -> str:
    made = whole.run("token", "create", *(word for role in roles for word in ("--role", role)))
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_function_is_written_pushed_connected_and_taken_away_from_afar(whole: Whole, tmp_path: Path) -> None:
    environ = {"MIDSTREAM_URL": f"{whole.base_url}/", "MIDSTREAM_TOKEN": token(whole), "SALT": SECRET}
    said = []

    def run(*arguments: str, stdin: str = "") -> Ran:
        ran = midstream(*arguments, cwd=tmp_path, stdin=stdin, **environ)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout + ran.stderr)
        return ran

    run("functions", "init", "mask", "--template", "mask")
    assert "created mask (ifnd_" in run("functions", "push", "mask", "--message", "first").stdout
    assert "connected ifi_" in run("destinations", "connect", "mask", "bin", "--secret", "salt", stdin=SECRET).stdout
    assert "enabled ifi_" in run("destinations", "enable", "bin/mask").stdout
    code = tmp_path / "mask" / "function.js"
    code.write_text(code.read_text() + "// again\n")
    assert "runs version 2\n" in run("functions", "push", "mask", "--deploy").stdout
    assert "runs version 3\n" in run("functions", "rollback", "mask", "1").stdout
    [versions] = [json.loads(run("functions", "versions", "mask", "--json").stdout)]
    assert [(each["number"], each["isDeployed"]) for each in versions] == [(3, True), (2, False), (1, False)]
    assert versions[-1]["message"] == "first"
    [listed] = json.loads(run("destinations", "list", "--json").stdout)
    assert listed["instances"][0]["encryptedSettings"] == {"salt": "••••"}
    assert SECRET not in "".join(said)
    assert not (tmp_path / "data").exists(), "nothing of this is on the machine that asked"


def test_who_may_not_gets_77_and_an_answer_that_does_not_come_is_69(whole: Whole, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(whole, "functions_read_only") + "\n")
    environ = {"MIDSTREAM_URL": whole.base_url, "MIDSTREAM_TOKEN_FILE": str(file)}
    code = tmp_path / "mark.js"
    code.write_text("function onTrack(event) { return event }")
    says(midstream("functions", "list", "--json", cwd=tmp_path, **environ), 0, stdout="[")
    refused = midstream("functions", "push", str(code), cwd=tmp_path, **environ)
    says(refused, 77, stderr="midstream: this needs the permission function:")
    nobody = midstream("functions", "list", cwd=tmp_path, **environ, MIDSTREAM_TOKEN="mst_nobody")
    says(nobody, 77, stderr="midstream: ")
    bare = midstream("functions", "list", "--url", whole.base_url, cwd=tmp_path)
    says(bare, 77, stderr=f"midstream: {whole.base_url} wants a token: put one that `midstream token create` made into")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = midstream("functions", "list", cwd=tmp_path, **environ | {"MIDSTREAM_URL": f"http://127.0.0.1:{port}"})
    says(gone, 69, stderr=f"midstream: cannot reach midstream at http://127.0.0.1:{port}: cannot connect to")
    other = midstream("functions", "list", "--url", f"{whole.base_url}/v1", cwd=tmp_path, **environ)
    says(other, 69, stderr=f"{whole.base_url}/v1 answered 404, but not as midstream's Public API does; check the URL")
    here = midstream("destinations", "list", "--data-dir", str(whole.data_dir), cwd=tmp_path, **environ)
    says(here, 0, stdout="bin")
    unknown = midstream("destinations", "enable", "bin/mork", cwd=tmp_path, **environ)
    says(unknown, 1, stderr="midstream: there is no destination 'bin'; there are: none")
    usage = midstream("functions", "deploy", cwd=tmp_path, **environ)
    says(usage, 2, stderr="Missing argument")
