"""Makes the calls of a file with Segment's Python SDK, as an application would: only the host is its own.

python send.py CALLS '{"host": "…", "write_key": "…", …}'
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from segment.analytics.client import Client


def main() -> None:
    calls, settings = sys.argv[1:]
    lost: list[Any] = []
    client = Client(**json.loads(settings), on_error=lambda error, batch: lost.append((error, len(batch))))
    for line in Path(calls).read_text("utf-8").splitlines():
        call = json.loads(line)
        if "timestamp" in call:
            call["timestamp"] = datetime.fromisoformat(call["timestamp"])
        if "createdAt" in call.get("traits", {}):
            call["traits"]["createdAt"] = datetime.fromisoformat(call["traits"]["createdAt"])
        taken, _ = getattr(client, call.pop("type"))(**{_snake(name): value for name, value in call.items()})
        assert taken, "the SDK's own queue is full"
    if client.sync_mode:
        return
    client.shutdown()
    assert not lost, lost


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: "_" + found[0].lower(), name)


main()
