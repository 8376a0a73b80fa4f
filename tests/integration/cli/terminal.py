"""Commands in this process, on a data dir of their own, as `main` would run them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from midstream.cli import app
from midstream.errors import MidstreamError

CODE = "function onTrack(event, settings) { event.seen = settings.mark; return event }\n"
DECLARED = """
name = "Mark events"
hosts = ["api.example.com"]
batch_max_count = 50
[settings.mark]
label = "Mark"
required = true
[settings.salt]
sensitive = true
[settings.strict]
type = "BOOLEAN"
[settings.fields]
type = "ARRAY"
"""
FOLDER = """
[source.website]
[destination.warehouse]
source = "website"
type = "sink"
[destination.attic]
source = "website"
type = "sink"
enabled = false
"""


@dataclass
class Terminal:
    """A folder to type commands in. `run` returns what stands on stdout; `said` is what stood on stderr last."""

    folder: Path
    said: str = ""

    def run(self, *arguments: str, stdin: str = "", code: int = 0, **environ: str) -> str:
        ran = CliRunner().invoke(
            app, [*arguments, "--data-dir", str(self.folder / "data")], input=stdin, env=environ, catch_exceptions=True
        )
        self.said = ran.stderr
        if ran.exception is not None and not isinstance(ran.exception, MidstreamError | SystemExit):
            raise ran.exception
        if isinstance(ran.exception, MidstreamError):
            self.said += str(ran.exception)
        assert ran.exit_code == code, ran.output + self.said
        return ran.stdout

    def json(self, *arguments: str, **more: Any) -> Any:
        return json.loads(self.run(*arguments, "--json", **more))

    def function(self, name: str = "mark", code: str = CODE, declared: str = DECLARED) -> str:
        """Write a function's folder; return its path."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        (place / "function.js").write_text(code)
        (place / "function.toml").write_text(declared)
        return str(place)

    def apply(self, text: str = FOLDER, *arguments: str) -> str:
        place = self.folder / "folder"
        place.mkdir(exist_ok=True)
        (place / "shop.toml").write_text(text)
        return self.run("apply", str(place), *arguments)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)
