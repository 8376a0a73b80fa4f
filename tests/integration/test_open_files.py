"""How many files, and so connections, a process of midstream may have open."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from midstream.app.doctor import _open_files
from midstream.app.supervisor import allow_open_files


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    """Lend a low soft limit, as most machines have it, and give back what was."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_as_far_as_it_may() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allow_open_files()
    soft, still = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == (65536 if hard == resource.RLIM_INFINITY else min(hard, 65536))
    assert still == hard


def test_a_soft_limit_that_is_higher_already_stays(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]


def test_the_doctor_looks_at_the_limit_that_counts() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= 4096:
        assert _open_files().verdict == "ok"
    else:
        assert _open_files().verdict == "warn"
