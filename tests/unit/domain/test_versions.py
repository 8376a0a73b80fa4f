from __future__ import annotations

from midstream.domain.settings import Definition
from midstream.domain.versions import diff

SALT = Definition("salt", "Salt", "", "STRING", required=True, sensitive=True)
OPTIONAL = Definition("salt", "Salt", "", "STRING", required=False, sensitive=True)


def test_what_agrees_has_no_diff() -> None:
    assert diff(("version 1", "a\n", [SALT]), ("version 2", "a\n", [SALT])) == ""


def test_code_and_settings_are_told_apart() -> None:
    told = diff(("version 1", "a\nb\n", [SALT]), ("version 2", "a\nc\n", [OPTIONAL]))
    assert told.startswith("--- code of version 1\n+++ code of version 2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    assert "--- settings of version 1\n+++ settings of version 2\n" in told
    assert '\n- "required": true,\n+ "required": false,\n' in told


def test_a_last_line_without_an_end_is_said_to_be_one() -> None:
    assert diff(("1", "a", []), ("2", "b", [])).endswith("-a\n\\ no newline at the end\n+b\n\\ no newline at the end\n")


def test_what_is_too_long_to_compare_is_said_to_differ() -> None:
    many = "".join(f"{number % 101}\n" for number in range(200_000))
    told = diff(("1", many, []), ("2", many[::-1], [SALT]))
    assert told.startswith(
        "--- code of 1\n+++ code of 2\nThey differ, and have more than 10,000 lines, which is too much to compare\n"
        "--- settings of 1\n"
    )
    assert diff(("1", many, []), ("2", many, [])) == ""
