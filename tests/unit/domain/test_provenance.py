"""Who sent a request, by what browsers say: the table of docs/signin.md, as pairs of what came and what is decided."""

from __future__ import annotations

import pytest

from midstream.domain.provenance import is_form_of_ours, is_script_of_ours, origin_of

HERE = "https://midstream.example.com/base"
OURS, OTHER, NULL = "https://midstream.example.com", "https://evil.example.com", "null"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("site", "origin", "ours"),
    [
        ("same-origin", OURS, True),
        ("same-origin", None, True),
        ("same-origin", "https://name.behind.the.proxy", True),  # only a browser writes the first, and it knows
        ("same-site", OURS, False),
        ("cross-site", OURS, False),
        ("cross-site", OTHER, False),
        ("none", None, False),  # nobody types the header in
        ("SAME-ORIGIN", OURS, False),
        (None, OURS, True),
        (None, OTHER, False),
        (None, NULL, False),
        (None, "http://midstream.example.com", False),
        (None, f"{OURS}:8443", False),
        (None, f"{OURS}.evil.example.com", False),
    ],
)
def test_a_request_by_session_is_taken_from_our_own_scripts_only(
    method: str, site: str | None, origin: str | None, *, ours: bool
) -> None:
    assert is_script_of_ours(method, site, origin, HERE) is ours


@pytest.mark.parametrize(
    ("method", "ours"), [("GET", True), ("HEAD", True), ("POST", False), ("DELETE", False), ("get", False)]
)
def test_where_a_browser_says_nothing_only_reading_is_taken(method: str, *, ours: bool) -> None:
    assert is_script_of_ours(method, None, None, HERE) is ours
    assert is_script_of_ours(method, "", "", HERE) is ours


@pytest.mark.parametrize(
    ("site", "origin", "ours"),
    [
        ("same-origin", OTHER, True),
        ("none", None, True),
        ("same-site", OURS, False),
        ("cross-site", OURS, False),
        (None, OURS, True),
        (None, OTHER, False),
        (None, NULL, False),
        (None, None, False),
    ],
)
def test_a_form_is_taken_from_our_own_pages_only(site: str | None, origin: str | None, *, ours: bool) -> None:
    assert is_form_of_ours(site, origin, HERE) is ours


def test_an_origin_is_written_as_browsers_write_it() -> None:
    assert origin_of("HTTP://LocalHost:4700/app/?x=y#z") == "http://localhost:4700"
