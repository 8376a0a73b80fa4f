"""The parts of forms: a labelled field with its hint and with what was wrong with it, and what is said above them.

Enters: text. Leaves: HTML in which every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from midstream.control.sign_in import Refused


def field(label: str, name: str, refused: Refused | None = None, hint: str = "", **attributes: str | int | bool) -> str:
    """Make a field. What is refused about it stands beside it, and it is where the cursor is then.

    An attribute's `_` is a `-`; `True` is an attribute without a value.
    """
    wrong = refused is not None and refused.field == name
    about = [f"{name}-{what}" for what, there in (("wrong", wrong), ("hint", hint)) if there]
    given = {"id": name, "name": name, "type": "text"} | attributes
    if about:
        given["aria_describedby"] = " ".join(about)
    if wrong:
        given |= {"aria_invalid": "true", "autofocus": True}
    said = f'<p role="alert" id="{name}-wrong">{escape(refused.message)}</p>\n' if refused and wrong else ""
    told = f'\n<p class="small" id="{name}-hint">{escape(hint)}</p>' if hint else ""
    return f'<label for="{name}">{escape(label)}</label>\n{said}<input{_attributes(given)}>{told}'


def choice(label: str, name: str, options: Sequence[tuple[str, str]], chosen: str = "") -> str:
    """Make a field to choose from pairs of a value and what is shown for it."""
    made = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(shown)}</option>'
        for value, shown in options
    )
    return f'<label for="{name}">{escape(label)}</label>\n<select id="{name}" name="{name}">{made}</select>'


def hidden(name: str, value: str) -> str:
    """Make what a form says besides what is typed in."""
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def alert(refused: Refused | None) -> str:
    """Say what was refused, where no field is to blame."""
    return f'<p role="alert">{escape(refused.message)}</p>\n' if refused and refused.field is None else ""


def notice(text: str | None) -> str:
    """Say what was done."""
    return f'<p role="status">{escape(text)}</p>\n' if text else ""


def _attributes(given: dict[str, str | int | bool]) -> str:
    pairs = ((name.replace("_", "-"), value) for name, value in given.items() if value is not False)
    return "".join(f" {name}" if value is True else f' {name}="{escape(str(value))}"' for name, value in pairs)
