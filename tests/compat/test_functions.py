"""What people wrote for Segment runs here unchanged: every function in `functions/` is held to its cases.

In `functions/segment` are those of the kind that Segment's own page about insert functions shows, in `functions/field`
those of the kind that people write.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.authoring.cases import read_case
from midstream.authoring.comparing import diff
from midstream.authoring.preview import Workbench
from midstream.authoring.running import Verdict, run_case
from midstream.authoring.source import find
from midstream.domain.function import Limits

FUNCTIONS = Path(__file__).with_name("functions")
FOLDERS = sorted(path for path in FUNCTIONS.glob("*/*") if path.is_dir())
CASES = sorted(FUNCTIONS.glob("*/*/cases/*.json"))
# How fast a busy machine is, is not what is tried here.
BENCH = Workbench(Limits(timeout=30))


def named(path: Path) -> str:
    return path.relative_to(FUNCTIONS).with_suffix("").as_posix().replace("/cases/", "/")


@pytest.mark.parametrize("path", CASES, ids=named)
async def test_a_function_does_what_its_case_expects(path: Path) -> None:
    source = find(path.parent.parent)
    verdict = await run_case(source.code, read_case(path), BENCH, schema=source.schema)
    assert verdict.passed, _told(verdict)


@pytest.mark.parametrize(("kind", "least"), [("segment", 15), ("field", 40)])
def test_none_of_the_functions_went_silently(kind: str, least: int) -> None:
    assert sum(folder.parent.name == kind for folder in FOLDERS) >= least


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_function_has_at_least_two_cases_and_each_is_recorded(folder: Path) -> None:
    cases = [read_case(path) for path in find(folder).cases]
    assert len(cases) >= 2
    assert all(case.expected for case in cases)


def _told(verdict: Verdict) -> str:
    return "\n".join([*verdict.problems, *verdict.warnings, *diff(verdict.expected, verdict.observed)])
