from __future__ import annotations

import signal

import pytest

from midstream.domain.redact import Redactor
from midstream.runtime.faults import cause_of, error_info
from midstream.runtime.protocol import Fault

NOBODY = Redactor(())
STACK = """TypeError: no
    at helper (function.js:12:34)
    at Array.map (<anonymous>)
    at async onTrack (function.js:3:8)
    at new Thing (function.js:1:2)
    at function.js:99:1
    at invoke (file:///srv/host.ts:5:6)
    at Script.runInThisContext (ext:deno_node/vm.js:1:2956)"""


def test_the_first_frame_of_the_author_is_the_place() -> None:
    error = error_info(Fault("TypeError", "no", STACK, 0, 0), NOBODY)
    assert (error.line, error.column) == (12, 34)


def test_only_the_authors_frames_are_shown() -> None:
    error = error_info(Fault("TypeError", "no", STACK, 0, 0), NOBODY)
    assert error.stack == (
        "TypeError: no\n    at helper (function.js:12:34)\n    at async onTrack (function.js:3:8)\n"
        "    at new Thing (function.js:1:2)\n    at function.js:99:1"
    )


def test_a_syntax_error_has_the_place_the_compiler_told() -> None:
    error = error_info(Fault("SyntaxError", "no", "SyntaxError: no", 2, 9), NOBODY)
    assert (error.line, error.column, error.stack) == (2, 9, None)


def test_no_frames_no_place() -> None:
    error = error_info(Fault("Error", "no", "", 0, 0), NOBODY)
    assert (error.line, error.column, error.stack) == (None, None, None)


def test_a_stack_is_cut() -> None:
    error = error_info(Fault("Error", "ä" * 9000, STACK, 0, 0), NOBODY)
    assert error.stack is not None
    assert len(error.stack.encode()) <= 8 * 1024


def test_secrets_do_not_show() -> None:
    error = error_info(Fault("Error", "key s3cr3t", "    at s3cr3t (function.js:1:1)", 0, 0), Redactor(["s3cr3t"]))
    assert "s3cr3t" not in repr(error)


@pytest.mark.parametrize(
    ("returncode", "said", "cause"),
    [
        (-signal.SIGTRAP, b"", "out_of_memory"),
        (-signal.SIGABRT, b"memory allocation of 1048576 bytes failed", "out_of_memory"),
        (-signal.SIGILL, b"# Fatal JavaScript out of memory: Reached heap limit", "out_of_memory"),
        (1, b"Cannot allocate memory (os error 12)", "out_of_memory"),
        (-signal.SIGKILL, b"", "crash"),
        (-signal.SIGSEGV, b"", "crash"),
        (0, b"", "crash"),
    ],
)
def test_a_death_is_told_by_its_evidence(returncode: int, said: bytes, cause: str) -> None:
    assert cause_of(returncode, said) == cause
