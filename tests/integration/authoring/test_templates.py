"""What `functions init` writes is without fault: each template passes its own check and cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.authoring.cases import read_case
from midstream.authoring.check import check
from midstream.authoring.preview import Workbench
from midstream.authoring.running import run_case
from midstream.authoring.scaffold import Template, scaffold
from midstream.authoring.source import find
from midstream.errors import Invalid


@pytest.mark.parametrize("template", list(Template))
async def test_every_template_passes_its_check_and_its_cases(tmp_path: Path, template: Template) -> None:
    written = scaffold(tmp_path / "new", template)
    assert all(path.is_file() for path in written)
    source, bench = find(tmp_path / "new"), Workbench()
    assert (await check(source.code, bench, schema=source.schema, types="all")).diagnoses == ()
    assert len(source.cases) >= 2
    for path in source.cases:
        verdict = await run_case(source.code, read_case(path), bench, schema=source.schema)
        assert verdict.passed, (path.name, verdict.problems, verdict.differences)
        assert not verdict.warnings


def test_nothing_is_written_where_a_file_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "segment.d.ts").write_text("mine")
    with pytest.raises(Invalid) as caught:
        scaffold(tmp_path, Template.DEFAULT)
    assert str(caught.value) == f"{tmp_path}: segment.d.ts is there already; choose another folder, or move it away"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases", "segment.d.ts"]
    for name in ("function.js", "function.toml"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(
        Invalid, match=r"function\.js, function\.toml and segment\.d\.ts are there already; .* move them"
    ):
        scaffold(tmp_path, Template.DEFAULT)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="cannot be written: Not a directory"):
        scaffold(tmp_path / "file" / "new", Template.DEFAULT)
