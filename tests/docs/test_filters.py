"""What docs/filters.md says of filters is so."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from midstream.cli import app
from midstream.control.filters import preview
from midstream.control.folder import DestinationSection
from midstream.domain.condition import Fault, compiled
from midstream.domain.filters import Rule, actions_as_written, held
from midstream.domain.fql import FUNCTIONS
from tests.docs.test_docs import ROOT, blocks

PAGE = (ROOT / "docs/filters.md").read_text("utf-8")
DATA = [json.loads(block) for block in blocks(PAGE, "json")]
[EVENT] = [each for each in DATA if "type" in each]
PREVIEWS = [(asked, told) for asked, told in pairwise(DATA) if "filter" in asked]
CONDITIONS = re.findall(r"^\| `([^`]+)` \| (yes|no|no answer) \|$", PAGE, re.MULTILINE)
SHOWN = re.findall(r"^```bash\nmidstream (.*)\n```\n\n```text\n((?:.*\n)*?)```", PAGE, re.MULTILINE)


def test_the_page_shows_as_much_as_it_should() -> None:
    assert (len(CONDITIONS), len(PREVIEWS), len(SHOWN)) == (
        len(re.findall(r"\| (?:yes|no|no answer) \|$", PAGE, re.MULTILINE)),
        4,
        2,
    )
    assert all("result" in told for _, told in PREVIEWS)
    assert {name for name in FUNCTIONS if f"`{name}(" in PAGE} == set(FUNCTIONS)


@pytest.mark.parametrize(("condition", "told"), CONDITIONS)
def test_a_condition_answers_as_the_page_says(condition: str, told: str) -> None:
    answer = compiled(condition).holds(EVENT)
    assert ("no answer" if isinstance(answer, Fault) else "yes" if answer else "no") == told


@pytest.mark.parametrize(("asked", "told"), PREVIEWS)
def test_a_filter_makes_of_an_event_what_the_page_says(asked: dict[str, dict[str, object]], told: object) -> None:
    assert {"result": preview(held(Rule, asked["filter"]), asked["payload"])} == told


def test_the_folder_that_is_shown_holds() -> None:
    [table] = [tomllib.loads(block) for block in blocks(PAGE, "toml")]
    shown = table["destination"]["warehouse"] | {"source": "website", "type": "sink"}
    assert len(DestinationSection.model_validate(shown).filters) == 2


def test_every_action_that_is_shown_is_one() -> None:
    actions = [json.loads(text) for text in re.findall(r'^\| `(\{"type".*\})` \|', PAGE, re.MULTILINE)]
    assert actions_as_written(held(Rule, {"if": "all", "actions": actions}).actions) == actions
    assert len(actions) == 4


@pytest.mark.parametrize(("command", "said"), SHOWN)
def test_a_command_says_what_the_page_shows(command: str, said: str) -> None:
    found = CliRunner().invoke(app, shlex.split(command))
    assert found.output == said
