"""Commands of `midstream` as a person types them, and what they are expected to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

Ran = subprocess.CompletedProcess[str]


def midstream(*arguments: str, cwd: Path, stdin: str | bytes = "", **environ: str) -> Ran:
    """Run a command in a folder, with nothing set but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIDSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "midstream", *arguments],
        check=False,
        cwd=cwd,
        env=inherited | {"COLUMNS": "200"} | environ,
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        timeout=60,
    )
    ran = Ran(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


def says(ran: Ran, code: int, *, stdout: str = "", stderr: str = "") -> None:
    """Check the exit code, and that these texts are said (empty: nothing is said there at all)."""
    assert ran.returncode == code, ran.stdout + ran.stderr
    for said, wanted in ((ran.stdout, stdout), (ran.stderr, stderr)):
        assert wanted in said if wanted else not said, said
