from __future__ import annotations

import signal

import pytest

from midstream.domain.redact import Redactor
from midstream.runtime.faults import Words, cause_of
from midstream.runtime.protocol import Fault

NOBODY = Redactor(())
CODE = "\n".join(f"  line {number}" for number in range(1, 20))
STACK = """TypeError: no
    at helper (function.js:12:34)
    at Array.map (<anonymous>)
    at async onTrack (function.js:3:8)
    at new Thing (function.js:1:2)
    at function.js:99:1
    at invoke (file:///srv/host.ts:5:6)
    at Script.runInThisContext (ext:deno_node/vm.js:1:2956)"""


def test_the_first_frame_of_the_author_is_the_place() -> None:
    error = Words(CODE, NOBODY).of(Fault("TypeError", "no", STACK, 0, 0))
    assert (error.line, error.column) == (12, 34)


def test_only_the_authors_frames_are_shown() -> None:
    error = Words(CODE, NOBODY).of(Fault("TypeError", "no", STACK, 0, 0))
    assert error.stack == (
        "TypeError: no\n    at helper (function.js:12:34)\n    at async onTrack (function.js:3:8)\n"
        "    at new Thing (function.js:1:2)\n    at function.js:99:1"
    )


def test_a_syntax_error_has_the_place_the_compiler_told() -> None:
    error = Words(CODE, NOBODY).of(Fault("SyntaxError", "no", "SyntaxError: no", 2, 9))
    assert (error.line, error.column, error.stack) == (2, 9, None)


def test_no_frames_no_place() -> None:
    error = Words(CODE, NOBODY).of(Fault("Error", "no", "", 0, 0))
    assert (error.line, error.column, error.stack) == (None, None, None)


def test_a_stack_is_cut() -> None:
    error = Words(CODE, NOBODY).of(Fault("Error", "ä" * 9000, STACK, 0, 0))
    assert error.stack is not None
    assert len(error.stack.encode()) <= 8 * 1024


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\r"])
def test_the_line_it_is_in_is_told(end: str) -> None:
    code = end.join(["one", "  return event.x.y; ", "three"])
    error = Words(code, NOBODY).of(Fault("TypeError", "no", "    at onTrack (function.js:2:17)", 0, 0))
    assert error.source == "return event.x.y;"


def test_a_long_line_is_cut_and_a_line_that_is_not_there_is_none() -> None:
    words = Words("x" * 900, NOBODY)
    assert words.of(Fault("Error", "no", "    at onTrack (function.js:1:5)", 0, 0)).source == "x" * 200
    assert words.of(Fault("Error", "no", "    at onTrack (function.js:7:5)", 0, 0)).source is None


def test_causes_follow_in_their_order() -> None:
    inner = Fault("Error", "the disk is full", "    at read (function.js:4:2)", 0, 0)
    middle = Fault("TypeError", "fetch failed", "", 0, 0, inner)
    error = Words(CODE, NOBODY).of(Fault("RetryError", "later", "    at onTrack (function.js:3:8)", 0, 0, middle))
    assert error.stack == (
        "RetryError: later\n    at onTrack (function.js:3:8)\n"
        "Caused by: TypeError: fetch failed\n"
        "Caused by: Error: the disk is full\n    at read (function.js:4:2)"
    )


def test_secrets_do_not_show() -> None:
    error = Words("const key = 's3cr3t'", Redactor(["s3cr3t"])).of(
        Fault("Error", "key s3cr3t", "    at s3cr3t (function.js:1:1)", 0, 0, Fault("Error", "s3cr3t", "", 0, 0))
    )
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
