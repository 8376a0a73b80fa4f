"""What to call a browser, by what it calls itself: "Firefox on Windows". Enters: `User-Agent`. Leaves: words for people."""

from __future__ import annotations

# Each calls itself by the names of those below it as well, so the order matters.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"))
_MORE = (("Chrome/", "Chrome"), ("Chromium/", "Chromium"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def named(agent: str) -> str:
    """Return a browser and its system, as far as they are known; else what it says."""
    browser = next((name for mark, name in (*_BROWSERS, *_MORE) if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    if browser is None:
        return agent or "unknown"
    return f"{browser} on {system}" if system else browser
