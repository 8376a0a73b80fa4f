"""Which uses of settings are found in a code, and which are not meant."""

from __future__ import annotations

import pytest

from midstream.authoring.settings_used import unknown_settings
from midstream.domain.settings import Definition

SCHEMA = (
    Definition("apiKey", "API key", "", "STRING", required=True, sensitive=True),
    Definition("region", "Region", "", "STRING", required=False, sensitive=False),
)


def found(code: str) -> list[tuple[str, int | None, int | None]]:
    return [(each.message, each.line, each.column) for each in unknown_settings(code, SCHEMA)]


@pytest.mark.parametrize(
    ("code", "column"),
    [
        ("settings.apiKye", 10),
        ("settings?.apiKye", 11),
        ("settings . apiKye.trim()", 12),
        ("settings['apiKye']", 11),
        ('settings?.["apiKye"]', 13),
        ("const { region, apiKye } = settings", 17),
        ("const { apiKye: key = 'x', region } = settings;", 9),
        ("`${settings.apiKye}`", 13),
        ("onTrack = async (event, config) => config.apiKye", 43),
        ("async function onBatch(events, s) { return s.apiKye }", 46),
        ("onPage = async function (e, cfg) { return cfg.apiKye }", 47),
    ],
)
def test_an_unknown_setting_is_found_however_it_is_named(code: str, column: int) -> None:
    assert found(f"\n{code}") == [("unknown setting 'apiKye'; did you mean 'apiKey'?", 2, column)]


@pytest.mark.parametrize(
    "code",
    [
        "settings.apiKey + settings['region']",
        "const { apiKey, ...rest } = settings",
        "event.settings.other + my_settings.other",
        "// settings.other\n/* settings.other */ 'settings.other' + `settings.other`",
        "const settings = event.context.settings; settings.other",
        "settings.hasOwnProperty('x')",
        "settings[name]",
        "const { a } = settings.region",
        "function helper(event, config) { return config.other }",
    ],
)
def test_what_is_no_unknown_setting_is_left_alone(code: str) -> None:
    assert found(code) == []


def test_with_nothing_declared_every_setting_is_unknown() -> None:
    (only,) = unknown_settings("settings.x", ())
    assert only.message == "unknown setting 'x'; there are none"
    assert only.source_line == "settings.x"


def test_a_long_comment_in_an_odd_place_takes_no_long_time() -> None:
    code = f"onTrack = function /*{'a' * 1_000_000}*/ () {{ settings.a }}"
    assert [each.message for each in unknown_settings(code, ())] == ["unknown setting 'a'; there are none"]
