"""What went wrong, in the author's words: his line and column, his frames only, no secrets.

Enters: an error as the process told it, or how the process died. Leaves: an `ErrorInfo`, or the cause of death.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Literal

from midstream.domain.function import ErrorInfo
from midstream.domain.redact import Redactor
from midstream.runtime.protocol import Fault

Cause = Literal["timeout", "out_of_memory", "crash"]

STACK_BYTES = 8 * 1024
SOURCE_CHARS = 200  # of the line an error is in: enough to know it again, and no minified file whole
_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")  # what JavaScript takes for one
# `at onTrack (function.js:3:8)`, `at async function.js:3:8`: the name host.ts gives the author's file.
_OWN_FRAME = re.compile(r"^ +at (?:.* \(|async )?function\.js:(\d{1,9}):(\d{1,9})\)?$", re.MULTILINE)
# V8's heap limit, a failed allocation in V8 or in Deno's own Rust, a thread or mapping the system refused.
_MEMORY = re.compile(
    rb"out of memory|memory allocation of \d+ bytes failed|cannot allocate memory|reached heap limit", re.IGNORECASE
)
# What V8 throws where the system gives it no memory for a buffer. The process survives that, with all that it holds.
_NO_ROOM = re.compile(r"Array buffer allocation failed|ArrayBuffer\.prototype\.resize: Out of memory")


@dataclass(slots=True)
class Words:
    """Puts the faults of one code into words. `code` is as its author wrote it."""

    code: str
    redactor: Redactor
    _lines: list[str] | None = None

    def of(self, fault: Fault) -> ErrorInfo:
        """Return the error as its author should see it."""
        frames = list(_OWN_FRAME.finditer(fault.stack))
        line, column = fault.line or None, fault.column or None
        if frames and line is None:
            line, column = int(frames[0][1]), int(frames[0][2])
        name, message = self.redactor.text(fault.name), self.redactor.text(fault.message)
        return ErrorInfo(name, message, line, column, self._stack(fault), self._source(line))

    def _stack(self, fault: Fault) -> str | None:
        """Return the frames in the author's file, and below them what caused the error."""
        told: list[str] = []
        each: Fault | None = fault
        while each is not None:
            intro = "Caused by: " if told else ""
            told.append(f"{intro}{self.redactor.text(each.name)}: {self.redactor.text(each.message)}")
            told += [self.redactor.text(frame[0]) for frame in _OWN_FRAME.finditer(each.stack)]
            each = each.cause
        if len(told) == 1:
            return None  # it would say nothing that name and message do not
        return "\n".join(told).encode()[:STACK_BYTES].decode(errors="ignore")

    def _source(self, line: int | None) -> str | None:
        if line is None:
            return None
        if self._lines is None:
            self._lines = _LINE_END.split(self.code)
        text = self._lines[line - 1] if 1 <= line <= len(self._lines) else ""
        return self.redactor.text(text.strip()[:SOURCE_CHARS]) or None


def cause_of(returncode: int, stderr: bytes) -> Cause:
    """Say what a process that died by itself died of."""
    if returncode == -signal.SIGTRAP or _MEMORY.search(stderr):
        return "out_of_memory"
    return "crash"


def no_room_in(message: str) -> bool:
    """Tell whether an error with that message says that a buffer got no memory."""
    return bool(_NO_ROOM.search(message))
