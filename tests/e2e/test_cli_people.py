"""`midstream user` and `midstream audit` on a data dir, without a server."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path

from tests.e2e.commands import midstream, says
from tests.whole import running, until


def test_users_are_added_listed_and_removed(tmp_path: Path) -> None:
    says(midstream("user", "list", cwd=tmp_path), 1, stderr="there is no workspace yet: `midstream apply`, `user")
    ann = midstream("user", "create", "Ann@Example.com", "--name", "Ann", cwd=tmp_path)
    says(ann, 0, stdout="usr_", stderr="Ann is Workspace Owner now.\n")
    roles = ("--role", "functions_admin", "--role", "source_read_only")
    bob = json.loads(midstream("user", "create", "bob@example.com", *roles, "--json", cwd=tmp_path).stdout)
    assert (bob["email"], bob["name"]) == ("bob@example.com", "bob@example.com")
    assert [each["roleId"] for each in bob["permissions"]] == ["functions_admin", "source_read_only"]
    again = midstream("user", "create", "bob@example.com", cwd=tmp_path)
    says(again, 1, stderr="midstream: bob@example.com is a member of the workspace already\n")
    says(midstream("user", "create", "bob", cwd=tmp_path), 1, stderr="email: expected an e-mail address")
    says(midstream("user", "create", "eve@x.org", "--role", "king", cwd=tmp_path), 2, stderr="'king' is not one of")
    listed = midstream("user", "list", cwd=tmp_path)
    says(listed, 0, stdout=f"{ann.stdout.strip()}  ann@example.com  Ann  (Workspace Owner)\n")
    assert f"{bob['id']}  bob@example.com  bob@example.com  (Functions Admin, Source Read-only)\n" in listed.stdout
    last = midstream("user", "remove", "ann@example.com", cwd=tmp_path)
    says(last, 1, stderr="midstream: this would leave the workspace without a Workspace Owner")
    gone = midstream("user", "remove", "BOB@example.com", cwd=tmp_path)
    says(gone, 0, stderr="BOB@example.com does not belong to the workspace any more.\n")
    says(midstream("user", "remove", bob["id"], cwd=tmp_path), 1, stderr="there is no user")
    assert [each["email"] for each in json.loads(midstream("user", "list", "--json", cwd=tmp_path).stdout)] == [
        "ann@example.com"
    ]


def test_where_there_are_several_workspaces_one_has_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for slug in ("shop", "blog"):
        (tmp_path / "shop" / "all.toml").write_text(f'[workspace]\nslug = "{slug}"\n')
        assert midstream("apply", "shop", cwd=tmp_path).returncode == 0
    unsaid = midstream("user", "create", "ann@example.com", cwd=tmp_path)
    says(unsaid, 1, stderr="--workspace: there are several workspaces: say which; there are: blog, shop\n")
    wrong = midstream("user", "list", "--workspace", "shoe", cwd=tmp_path)
    says(wrong, 1, stderr="--workspace: there is no workspace 'shoe'; there are: blog, shop\n")
    says(
        midstream("user", "create", "ann@example.com", "--workspace", "shop", cwd=tmp_path),
        0,
        stdout="usr_",
        stderr="Own",
    )
    says(midstream("user", "list", "--workspace", "blog", cwd=tmp_path), 0, stderr="There is nobody yet")
    made = midstream("token", "create", "--workspace", "blog", cwd=tmp_path)
    says(made, 0, stdout="mst_", stderr="it is shown only now")
    says(midstream("token", "list", cwd=tmp_path), 1, stderr="there are several workspaces")


def test_the_trail_is_shown_exported_and_verified(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        midstream("user", "create", f"{name}@example.com", cwd=tmp_path)
    listed = midstream("audit", "list", cwd=tmp_path)
    says(listed, 0, stdout="User Created: bob@example.com  (Workspace Member)\n")
    [newest, *rest] = json.loads(midstream("audit", "list", "--json", cwd=tmp_path).stdout)
    assert (newest["type"], newest["resourceName"], newest["origin"]) == (
        "User Created",
        "bob@example.com",
        "command line",
    )
    assert len(rest) == 2
    one = midstream("audit", "list", "--type", "User Created", "-n", "1", cwd=tmp_path)
    assert one.stdout.count("\n") == 1
    about = midstream("audit", "list", "--resource", newest["resourceId"], "--csv", cwd=tmp_path)
    assert [row["resourceName"] for row in csv.DictReader(io.StringIO(about.stdout))] == ["bob@example.com"]
    says(
        midstream("audit", "list", "--actor", "eve@x.org", cwd=tmp_path), 0, stderr="Nothing of that in the last 30d.\n"
    )
    says(midstream("audit", "list", "--since", "soon", cwd=tmp_path), 2, stderr="'soon' is not a time span")
    says(midstream("audit", "verify", cwd=tmp_path), 0, stdout="The audit trail is whole.\n")
    with sqlite3.connect(tmp_path / "data" / "midstream.db") as database:
        database.execute("update audit_event set actor_email = 'eve' where sequence = 2")
    database.close()
    says(midstream("audit", "verify", cwd=tmp_path), 3, stdout="entry 2 (aud_")


def test_the_trail_leaves_as_events_where_a_source_takes_it(tmp_path: Path) -> None:
    folder = """
[source.audit]
[destination.bin]
source = "audit"
type = "sink"
"""
    with running(tmp_path, MIDSTREAM_AUDIT_SOURCE="audit") as whole:
        assert whole.apply({"all.toml": folder}).returncode == 0
        assert whole.run("user", "create", "ann@example.com").returncode == 0

        def delivered() -> int:
            counts = json.loads(whole.run("deliveries", "--json").stdout)["deliveries"]
            return sum(each["count"] for each in counts if each["event"] == "Audit" and each["outcome"] == "delivered")

        entries = len(json.loads(whole.run("audit", "list", "--json").stdout))
        until(lambda: delivered() == entries)
