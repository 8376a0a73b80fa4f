"""What went wrong, in the author's words: his line and column, his frames only, no secrets.

Enters: an error as the process told it, or how the process died. Leaves: an `ErrorInfo`, or the cause of death.
"""

from __future__ import annotations

import re
import signal
from typing import Literal

from midstream.domain.function import ErrorInfo
from midstream.domain.redact import Redactor
from midstream.runtime.protocol import Fault

Cause = Literal["timeout", "out_of_memory", "crash"]

STACK_BYTES = 8 * 1024
# `at onTrack (function.js:3:8)`, `at async function.js:3:8`: the name host.ts gives the author's file.
_OWN_FRAME = re.compile(r"^ +at (?:.* \(|async )?function\.js:(\d+):(\d+)\)?$", re.MULTILINE)
# V8's heap limit, a failed allocation in V8 or in Deno's own Rust, a thread or mapping the system refused.
_MEMORY = re.compile(
    rb"out of memory|memory allocation of \d+ bytes failed|cannot allocate memory|reached heap limit", re.IGNORECASE
)


def error_info(fault: Fault, redactor: Redactor) -> ErrorInfo:
    """Return the error as its author should see it."""
    frames = list(_OWN_FRAME.finditer(fault.stack))
    line, column = fault.line or None, fault.column or None
    if frames and line is None:
        line, column = int(frames[0][1]), int(frames[0][2])
    name, message = redactor.text(fault.name), redactor.text(fault.message)
    stack = None
    if frames:
        told = "\n".join([f"{name}: {message}", *(redactor.text(frame[0]) for frame in frames)])
        stack = told.encode()[:STACK_BYTES].decode(errors="ignore")
    return ErrorInfo(name, message, line, column, stack)


def cause_of(returncode: int, stderr: bytes) -> Cause:
    """Say what a process that died by itself died of."""
    if returncode == -signal.SIGTRAP or _MEMORY.search(stderr):
        return "out_of_memory"
    return "crash"
