from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from midstream.errors import RuntimeUnavailable
from midstream.runtime import launch


def test_the_cache_is_where_the_user_keeps_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert launch.cache() == tmp_path / "midstream"


def test_without_a_home_the_cache_is_a_temporary_folder_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = launch.cache()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0


def test_a_temporary_folder_somebody_else_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(RuntimeUnavailable, match="another user"):
        launch._temporary()


def test_the_fingerprint_changes_with_flags() -> None:
    assert launch._fingerprint(["a", "b"]) != launch._fingerprint(["ab"])
