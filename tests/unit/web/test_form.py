"""What forms are made of: labels, hints and faults that belong to their field, and no text that is not escaped."""

from __future__ import annotations

from midstream.control.sign_in import Refused
from midstream.web.form import alert, choice, field, hidden

HOSTILE = "\"><script>alert('x')</script>"


def test_a_field_has_its_label_and_its_hint() -> None:
    made = field("Name", "name", None, "What it is for.", required=True, maxlength=12, autofocus=False)
    assert '<label for="name">Name</label>' in made
    assert '<input id="name" name="name" type="text" required maxlength="12" aria-describedby="name-hint">' in made
    assert '<p class="small" id="name-hint">What it is for.</p>' in made


def test_what_is_wrong_with_a_field_stands_at_the_field_and_nowhere_else() -> None:
    refused = Refused("Too short.", 422, field="new")
    assert 'aria-describedby="new-wrong" aria-invalid="true" autofocus' in field("New", "new", refused)
    assert '<p role="alert" id="new-wrong">Too short.</p>' in field("New", "new", refused)
    assert "Too short" not in field("Now", "current", refused)
    assert alert(refused) == ""
    assert alert(Refused("No.")) == '<p role="alert">No.</p>\n'


def test_every_text_is_escaped() -> None:
    refused = Refused(HOSTILE, field="name")
    for made in (
        field(HOSTILE, "name", refused, HOSTILE, value=HOSTILE),
        choice(HOSTILE, "name", [(HOSTILE, HOSTILE)], HOSTILE),
        hidden("name", HOSTILE),
        alert(Refused(HOSTILE)),
    ):
        assert "<script" not in made
        assert '""' not in made
