from __future__ import annotations

import json

from tests.integration.cli.terminal import FOLDER, Terminal, terminal

__all__ = ["terminal"]

SALT = "s4lt-planted"


def connected(terminal: Terminal) -> None:
    terminal.apply()
    terminal.run("functions", "push", terminal.function())


def test_a_function_is_connected_with_secrets_that_are_never_shown(terminal: Terminal) -> None:
    connected(terminal)
    settings = json.dumps({"fields": ["a"], "mark": "from the file"})
    made = terminal.json(
        *("destinations", "connect", "mark", "warehouse", "--settings", "-", "--set", "mark=by=hand"),
        *("--set", "strict=true", "--secret-env", "salt=SALT", "--on-error", "quarantine", "--enable"),
        stdin=settings,
        SALT=SALT,
    )
    assert made["settings"] == {"fields": ["a"], "mark": "by=hand", "strict": True}
    assert (made["encryptedSettings"], made["enabled"], made["onError"], made["name"]) == (
        {"salt": "••••"},
        True,
        "quarantine",
        "Mark events",
    )
    assert SALT not in json.dumps(made)


def test_connecting_again_changes_only_what_is_given(terminal: Terminal) -> None:
    connected(terminal)
    first = terminal.run(
        "destinations", "connect", "mark", "warehouse", "--set", "mark=x", "--secret", "salt", stdin="a\n"
    )
    assert first.startswith("connected ifi_")
    assert first.endswith(" Mark events, version 1, disabled\n")
    assert "It is not switched on: `midstream destinations enable ifi_" in terminal.said
    again = terminal.run("destinations", "connect", "mark", "warehouse", "--set", "strict=false", "--enable")
    assert again.replace("changed", "connected").replace("enabled", "disabled") == first
    assert terminal.said == ""
    [warehouse] = [it for it in terminal.json("destinations", "list") if it["slug"] == "warehouse"]
    [instance] = warehouse["instances"]
    assert (instance["settings"], instance["encryptedSettings"]) == ({"mark": "x", "strict": False}, {"salt": "••••"})
    assert (warehouse["type"], instance["function"]) == ("sink", "mark")


def test_what_cannot_be_connected_is_said(terminal: Terminal) -> None:
    connected(terminal)
    for more, code, said in (
        (["--set", f"salt={SALT}"], 1, "setting 'salt' is a secret, which others can read in an argument"),
        (["--set", "mrak=1"], 1, "unknown setting 'mrak'; did you mean 'mark'?"),
        (["--set", "mark"], 2, "expected NAME=…, got 'mark'"),
        (["--set", "strict=yes"], 1, "setting 'strict' of type BOOLEAN: line 1, column 1, is not valid JSON"),
        (["--set", "strict=yes"], 1, "is not valid JSON: Expecting value; write it as true or false"),
        (["--set", "fields=a"], 1, """is not valid JSON: Expecting value; write it as '["a", "b"]'"""),
        (["--secret-env", "salt=NOWHERE"], 1, "the environment variable NOWHERE is not set, and setting 'salt' is to"),
        (["--settings", "-", "--secret", "salt"], 2, "stdin cannot hold both"),
        ([], 1, "setting 'mark' is required"),
    ):
        terminal.run("destinations", "connect", "mark", "warehouse", *more, code=code)
        assert said in terminal.said
        assert SALT not in terminal.said
    terminal.run("destinations", "connect", "mark", "warehuose", code=1)
    assert terminal.said == "there is no destination 'warehuose'; there are: attic, warehouse"


def test_destinations_and_functions_in_front_of_them_are_switched_on_and_off(terminal: Terminal) -> None:
    connected(terminal)
    terminal.run("destinations", "connect", "mark", "warehouse", "--set", "mark=x")
    assert terminal.run("destinations", "enable", "warehouse/mark").endswith("Mark events\n")
    assert terminal.run("destinations", "disable", "warehouse").endswith("warehouse\n")
    assert terminal.json("destinations", "enable", "attic")["enabled"] is True
    listed = [line.split() for line in terminal.run("destinations", "list").splitlines()]
    assert [(words[0], words[-1]) for words in listed] == [
        ("attic", "enabled"),
        ("warehouse", "disabled"),
        ("mark", "enabled"),
    ]
    instance = listed[-1][1]
    assert terminal.run("destinations", "disable", instance).startswith(f"disabled {instance} ")


def test_a_function_that_is_disconnected_is_gone_from_the_destination_and_can_be_deleted(terminal: Terminal) -> None:
    connected(terminal)
    made = terminal.json("destinations", "connect", "mark", "warehouse", "--set", "mark=x")
    terminal.run("functions", "delete", "mark", code=1)
    terminal.run("destinations", "disconnect", "attic/mark", code=1)
    assert "the function 'mark' is not connected to 'attic'" in terminal.said
    terminal.run("destinations", "disconnect", "warehouse", code=1)
    assert "'warehouse'" in terminal.said
    assert terminal.json("destinations", "disconnect", "warehouse/mark")["id"] == made["id"]
    assert [it["instances"] for it in terminal.json("destinations", "list")] == [[], []]
    terminal.run("functions", "delete", "mark")


def test_a_destinations_filters_are_listed(terminal: Terminal) -> None:
    terminal.apply(
        FOLDER
        + """
[[destination.attic.filters]]
title = "Orders only"
if = "!match(event, 'Order *')"
actions = [{ type = "DROP" }]
[[destination.attic.filters]]
title = "A tenth"
if = "all"
enabled = false
actions = [{ type = "SAMPLE", percent = 0.1 }]
"""
    )
    assert terminal.run("filters", "list", "attic") == (
        "Orders only  if !match(event, 'Order *')  DROP                     enabled\n"
        'A tenth      if all                       SAMPLE {"percent": 0.1}  disabled\n'
    )
    [one, _] = terminal.json("filters", "list", "attic")
    assert (one["title"], one["actions"], one["enabled"]) == ("Orders only", [{"type": "DROP"}], True)
    assert terminal.run("filters", "list", "warehouse") == ""
    assert terminal.said == "The destination has no filter: `midstream apply` makes them.\n"
    terminal.run("filters", "list", "attick", code=1)
    assert terminal.said == "there is no destination 'attick'; there are: attic, warehouse"
