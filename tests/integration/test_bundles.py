"""The bundled packages are what their build makes of the pinned versions, and are in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUNDLES = ROOT / "src/midstream/runtime/packages"


def test_each_bundle_is_what_its_build_makes(tmp_path: Path) -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    made = tmp_path / "made"
    made.mkdir()
    build = shutil.copytree(BUNDLES / "build", tmp_path / "build", ignore=shutil.ignore_patterns("node_modules"))
    installed = _ran("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=build)
    if installed.returncode:
        pytest.skip(f"npm ci failed: {installed.stderr.strip()[-300:]}")
    built = _ran("node", "build.mjs", str(made), folder=build)
    assert (built.returncode, built.stderr) == (0, "")
    assert _contents(made) == _contents(BUNDLES)


def test_the_wheel_has_the_bundles_and_the_host_and_not_how_they_are_made(tmp_path: Path) -> None:
    built = _ran(
        str(ROOT / ".venv/bin/uv"), "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(ROOT), folder=ROOT
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"midstream/runtime/packages/{name}" for name in _contents(BUNDLES)}
    wanted |= {f"midstream/runtime/host/{file.name}" for file in (BUNDLES.parent / "host").glob("*.ts")}
    assert wanted - names == set()
    assert [name for name in names if "packages/build" in name or "node_modules" in name] == []


def _ran(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
