from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midstream.domain.glob import matcher


def matches(text: str, pattern: str) -> bool:
    judge = matcher(pattern)
    return judge is not None and judge(text)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        # segment.md §3.6
        ("abcd", "a*d", True),
        ("", "*", True),
        ("abc", "ab", False),
        ("ab*d", r"ab\*d", True),
        ("abcd", "ab[A-Z]d", False),
        ("a☺b", "a?b", True),
        # appendix A.5
        ("a☺b", "a???b", False),
        ("α", "[a-ζ]*", True),
        ("]", r"[\]a]", True),
        ("a", "a[", False),
        ("*", "[*]", True),
        ("a", "[*]", False),
        # and what follows from the rules
        ("a/b\nc", "a*c", True),
        ("ab", "*a*b*", True),
        ("aab", "*a*ab", True),
        ("ab", "*ab*b", False),
        ("x", "[z-a]", False),
        ("x", "[^z-a]", True),
        ("!", "[!a]", True),
        ("^", "[a^]", True),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("abc\n", "abc", False),
        ("\\", r"\\", True),
        ("a", "a*a", False),
        ("aa", "a*a", True),
        ("abc", "a*?c", True),
        ("ac", "a*?c", False),
        ("a.b.c", "*.*.?", True),
        ("abab", "*[a]b", True),
    ],
)
def test_a_pattern_matches_the_whole_text(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, pattern) is expected


@pytest.mark.parametrize(
    "pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "\\", "a[", "[a-", "[\\", "[]"]
)
def test_a_pattern_that_is_not_well_formed_matches_nothing(pattern: str) -> None:
    assert matcher(pattern) is None


def naive(text: str, pattern: str) -> bool:
    """The rules of §3.6 in the plainest way, without classes."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive(text[start:], pattern[1:]) for start in range(len(text) + 1))
    if pattern[0] == "\\":
        return len(pattern) > 1 and text[:1] == pattern[1] and naive(text[1:], pattern[2:])
    return text != "" and pattern[0] in ("?", text[0]) and naive(text[1:], pattern[1:])


@settings(deadline=None)  # on a machine that does other things too
@given(st.text("ab/*\\", max_size=8), st.text("ab/*?\\", max_size=8))
@example("ab", "*\\")
def test_it_agrees_with_the_plain_reading(text: str, pattern: str) -> None:
    # A bad pattern never matches, whether or not matching would reach what is bad.
    ends_well = matcher(pattern) is not None
    assert matches(text, pattern) is (ends_well and naive(text, pattern))


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_pattern_fails(text: str, pattern: str) -> None:
    assert matches(text, pattern) in (True, False)
    assert matches(text, "".join(f"\\{character}" for character in text))


@pytest.mark.parametrize(
    "pattern", ["*a" * 2500 + "b", "?" * 5000 + "b", "[ab]" * 1250 + "b", "*" * 5000 + "b", "*[a-z]?" * 700 + "1"]
)
def test_the_worst_pattern_on_the_largest_event_takes_no_ages(pattern: str) -> None:
    began = time.process_time()
    assert not matches("a" * 32 * 1024, pattern)
    assert time.process_time() - began < 2
