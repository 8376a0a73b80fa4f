"""What browsers are called, from what they call themselves."""

from __future__ import annotations

import pytest

from midstream.web.agent import named

MAC, WINDOWS = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
WEBKIT, CHROME = "AppleWebKit/537.36 (KHTML, like Gecko)", "Chrome/142.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"{WINDOWS} {WEBKIT} {CHROME}", "Chrome on Windows"),
        (f"{WINDOWS} {WEBKIT} {CHROME} Edg/142.0.0.0", "Edge on Windows"),
        (f"{MAC} {WEBKIT} {CHROME} OPR/120.0", "Opera on macOS"),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Linux; Android 16) {WEBKIT} {CHROME}", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) CriOS/142.0 Mobile Safari/604.1", "Chrome on iPhone"),
        ("Firefox/1.0", "Firefox"),
        ("curl/8.0 <b>", "curl/8.0 <b>"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_called_what_people_call_it(agent: str, name: str) -> None:
    assert named(agent) == name
