from __future__ import annotations

import pytest

from midstream.runtime.libraries import LIBRARIES
from midstream.runtime.stubs import STUBS, stubs_for, stubs_named


def stubs(code: str) -> list[str]:
    """Return the paths a code names."""
    return [path for path, _ in stubs_named(code)]


@pytest.mark.parametrize(
    ("code", "paths"),
    [
        ("stripe(settings.key)", ["stripe"]),
        ("new AWS.S3({})", ["AWS"]),
        ("const { S3 } = AWS", ["AWS"]),
        ("globalThis.stripe(1); window . twilio()", ["stripe", "twilio"]),
        ("new google.cloud.storage.Storage()", ["google.cloud.storage"]),
        ("google\n  .cloud\n  ?.tasks", ["google.cloud.tasks"]),
        ("sendgrid.mail.send()", ["sendgrid.mail"]),
        ("const { mail } = sendgrid", ["sendgrid.client", "sendgrid.mail"]),
        ("f(...jsforce.all)", ["jsforce"]),
        ("`${stripe(1)}`", ["stripe"]),
        ("if (x) { pg = pg.pg }", ["pg.pg"]),
    ],
)
def test_a_stub_is_named_by_the_codes_own_words(code: str, paths: list[str]) -> None:
    assert stubs(code) == paths


@pytest.mark.parametrize(
    "code",
    [
        "// stripe and AWS",
        "/* twilio(\n) */ 1",
        "event.integrations.stripe",
        "event?.stripe",
        "const all = { stripe: true, 'AWS': false, pg : 1 }",
        'fetch("https://api.stripe.com/", "it\'s stripe\\"stripe")',
        "const pg = event.properties.pg; pg.x",
        "function twilio() {}; twilio()",
        "mystripe(); stripe2(); $stripe()",
        "google.maps.load()",
        "",
    ],
)
def test_a_word_that_is_not_the_global_is_no_stub(code: str) -> None:
    assert stubs(code) == []


def test_the_sentence_names_the_global_and_the_way_to_do_it() -> None:
    assert stubs_named("jsftp()") == [
        (
            "jsftp",
            "jsftp is not part of midstream: send files over HTTPS with fetch; FTP cannot be spoken from here, see docs/functions.md",
        )
    ]


def test_a_stub_in_doubt_travels() -> None:
    assert list(stubs_for("x ? stripe : `twilio`")) == ["stripe", "twilio"]
    assert all(path.startswith("google.cloud.") for path in stubs_for("google"))
    assert stubs_for("onTrack = e => e") == {}


def test_a_global_is_a_package_or_a_stub() -> None:
    assert not {library.name for library in LIBRARIES} & {path.split(".")[0] for path in STUBS}
