from __future__ import annotations

import getpass
from typing import Any

import pytest

from tests.integration.cli.terminal import Terminal, terminal

__all__ = ["terminal"]

OPERATOR = f"{getpass.getuser()}@localhost.localdomain"


def creator(terminal: Terminal, *arguments: str) -> str:
    return str(terminal.json("token", "create", *arguments)["creator"])


def roles(terminal: Terminal) -> dict[str, list[str]]:
    """Return what each member holds, by address."""
    listed: list[dict[str, Any]] = terminal.json("user", "list")
    return {each["email"]: [it["roleId"] for it in each["permissions"]] for each in listed}


def trail(terminal: Terminal) -> list[tuple[str, str]]:
    return [(each["type"], each["resourceName"]) for each in terminal.json("audit", "list")]


@pytest.mark.parametrize(("arguments", "owner"), [((), OPERATOR), (("--email", " Ann@Example.com"), "ann@example.com")])
def test_the_first_token_of_a_workspace_makes_its_owner_and_says_so(
    terminal: Terminal, arguments: tuple[str, ...], owner: str
) -> None:
    made = terminal.run("token", "create", "--name", "ci", *arguments)
    assert made.startswith("mst_")
    first, second = terminal.said.splitlines()
    assert first == f"added {owner} as the workspace's owner"
    assert second.endswith(f" for {owner}; it is shown only now:")
    assert roles(terminal) == {owner: ["workspace_owner"]}
    assert trail(terminal)[:2] == [("Access Token Created", "ci"), ("User Created", owner)]
    terminal.run("token", "create", *arguments)
    assert "added" not in terminal.said


def test_a_token_for_an_address_that_no_member_has_is_refused_and_adds_nobody(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com")
    terminal.run("token", "create", "--email", "anne@example.com", code=1)
    assert terminal.said == (
        "--email: no member has the address anne@example.com; add them with `midstream user create anne@example.com`"
    )
    assert roles(terminal) == {"ann@example.com": ["workspace_owner"]}


def test_a_token_that_cannot_be_made_leaves_no_owner_behind(terminal: Terminal) -> None:
    terminal.run("token", "create", "--role", "functions_admin", "--on", "ifnd_none", code=1)
    assert roles(terminal) == {}


def test_without_an_address_a_token_acts_as_the_operator_or_the_only_owner_and_else_asks(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com")
    terminal.run("user", "create", OPERATOR)
    assert creator(terminal) == "ann@example.com"
    assert creator(terminal, "--email", OPERATOR) == OPERATOR
    terminal.run("user", "create", "bob@example.com", "--role", "workspace_owner")
    terminal.run("token", "create", code=2)
    assert "--email" in terminal.said
    assert not any(name in terminal.said for name in ("ann", "bob"))
    terminal.run("user", "remove", OPERATOR)
    terminal.run("user", "create", OPERATOR, "--role", "workspace_owner")
    assert creator(terminal) == OPERATOR


def test_a_members_roles_are_replaced_and_the_last_owner_stays(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com", "--name", "Ann")
    terminal.run("user", "create", "bob@example.com", "--role", "source_admin")
    changed = terminal.json(
        "user", "role", "Bob@example.com", "--role", "functions_admin", "--role", "source_read_only"
    )
    assert changed["email"] == "bob@example.com"
    assert roles(terminal)["bob@example.com"] == ["functions_admin", "source_read_only"]
    assert trail(terminal)[0] == ("User Policy Updated", "bob@example.com")
    terminal.run("user", "role", "ann@example.com", "--role", "workspace_member", code=1)
    assert terminal.said.startswith("this would leave the workspace without a Workspace Owner")
    terminal.run("user", "role", changed["id"], "--role", "workspace_owner")
    assert terminal.said == "bob@example.com is Workspace Owner now.\n"
    terminal.run("user", "role", "ann@example.com", "--role", "workspace_member")
    terminal.run("user", "role", "eve@example.com", "--role", "workspace_member", code=1)
    assert terminal.said.startswith("there is no user 'eve@example.com'")
    terminal.run("user", "role", "ann@example.com", code=2)


def test_a_token_is_listed_with_the_roles_its_member_leaves_it(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com")
    terminal.run("user", "create", "bob@example.com", "--role", "functions_read_only")
    terminal.run("token", "create", "--email", "bob@example.com")
    terminal.run("token", "create", "--email", "ann@example.com", "--role", "source_admin", "--role", "functions_admin")
    bobs, anns = terminal.run("token", "list").splitlines()
    assert "  bob@example.com  functions_read_only  until taken away" in bobs
    assert "  ann@example.com  functions_admin, source_admin  until taken away" in anns
    [listed, _] = terminal.json("token", "list")
    assert [each["role"] for each in listed["permissions"]] == ["workspace_owner"]
    assert [each["role"] for each in listed["effective"]] == ["functions_read_only"]
    terminal.run("user", "role", "bob@example.com", "--role", "workspace_member")
    assert "  bob@example.com  workspace_member  " in terminal.run("token", "list")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Sourcc", "did you mean Source Created, Source Modified, Source Enabled, Source Disabled, Source Deleted, "),
        ("source deletedd", "did you mean Source Deleted?"),
        ("token", "did you mean Access Token Created, Access Token Deleted?"),
        ("xyzzy", "there are: Workspace Created, "),
    ],
)
def test_a_type_that_the_trail_does_not_have_is_refused(terminal: Terminal, typed: str, said: str) -> None:
    terminal.run("audit", "list", "--type", typed, code=2, COLUMNS="3000")
    assert f"there is no such type; {said}" in terminal.said
