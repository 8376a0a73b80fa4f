"""The catalog, and how wrong settings are explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from midstream.destinations import CATALOG, validated
from midstream.destinations.webhook import WebhookSettings
from midstream.errors import Invalid

HOOK = {"url": "https://example.com/hook"}


def fault(settings: Mapping[str, Any], slug: str = "webhook") -> str:
    with pytest.raises(Invalid) as caught:
        validated(CATALOG[slug], settings)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def test_every_entry_is_under_its_slug_and_its_sensitive_settings_exist() -> None:
    for slug, kind in CATALOG.items():
        assert slug == kind.slug
        assert kind.sensitive <= kind.settings.model_fields.keys()
        assert kind.event_types


def test_good_settings_come_back_with_their_defaults() -> None:
    settings = validated(CATALOG["webhook"], HOOK)
    assert isinstance(settings, WebhookSettings)
    assert (settings.method, settings.batch, settings.batch_count, settings.batch_bytes) == (
        "POST",
        "off",
        100,
        450_000,
    )
    assert (settings.gzip, settings.concurrency, settings.headers, settings.shared_secret) == (False, 50, {}, None)


def test_an_unknown_setting_is_named_with_the_nearest_one_there_is() -> None:
    assert fault({**HOOK, "shared_secrt": "hunter2"}) == (
        'webhook: unknown setting "shared_secrt"; did you mean "shared_secret"?'
    )
    assert "the settings are url, method" in fault({**HOOK, "zzz": 1})
    assert "there are no settings" in fault({"url": "x"}, "sink")


def test_a_missing_setting_is_said_to_be_required_and_what_for() -> None:
    assert fault({}) == 'webhook: setting "url" is required: Where to send the events, http or https.'


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch_count": 4001}, 'setting "batch_count": expected less than or equal to 4000, got 4001'),
        ({"batch_count": None}, 'setting "batch_count": expected a valid integer, got null'),
        ({"method": "GET"}, "expected 'POST', 'PUT' or 'PATCH', got another text"),
        ({"headers": ["a"]}, 'setting "headers": expected a valid dictionary, got a list'),
        ({"headers": {"X-A": 1}}, 'setting "headers.X-A": expected a valid string, got 1'),
        ({"headers": {"X A": "1"}}, "'X A' is not a header name"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "the value of X-A holds a line break"),
        ({"headers": {"Content-Length": "1"}}, "Content-Length is set by midstream itself"),
        ({"shared_secret": ""}, 'setting "shared_secret": expected at least 1 character'),
        ({"shared_secret": "whsec_***"}, "expected Base64 after whsec_"),
        ({"url": "ftp://example.com"}, "expected an http or https URL"),
        ({"url": "https://"}, "expected an http or https URL"),
        ({"url": "http://exa mple.com"}, "expected an http or https URL"),
        ({"url": "https://me:hunter2@example.com"}, 'put them into "secret_headers"'),
    ],
)
def test_a_wrong_setting_is_explained(settings: Mapping[str, Any], says: str) -> None:
    assert says in fault({**HOOK, **settings})


def test_every_fault_is_said() -> None:
    said = fault({"batch_count": 0, "gzip": "perhaps"})
    assert all(name in said for name in ("url", "batch_count", "gzip"))


@pytest.mark.parametrize(
    "settings", [{"shared_secret": ["hunter2"]}, {"secret_headers": "hunter2"}, {"secret_headers": {"A": "hunter2\n"}}]
)
def test_no_value_shows_in_a_fault(settings: Mapping[str, Any]) -> None:
    assert "hunter2" not in fault({**HOOK, **settings})


def test_settings_do_not_show_their_secrets_when_printed() -> None:
    settings = validated(CATALOG["webhook"], {**HOOK, "shared_secret": "hunter2", "secret_headers": {"A": "hunter2"}})
    assert "hunter2" not in repr(settings)
