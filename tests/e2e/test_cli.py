"""Every command of `midstream` as a person uses it: what it prints, where, and with which exit code (contract §6)."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import Ran, midstream, says
from tests.whole import WRITE_KEY, Whole, descendants, running, until

SECRET = "planted-secret-value"
CODE = """
async function onTrack(event, settings) {
  console.log('seen', event.event, settings.key)
  switch (event.event) {
    case 'keep': case 'stay': event.properties = { kept: true }; return event
    case 'cut emoji': event.properties = { cut: '🦊'.slice(0, 1) }; return event
    case 'drop': throw new DropEvent('not wanted')
    case 'nothing': return
    case 'invalid': throw new ValidationError('no good')
    case 'bug': return nowhere.x
    case 'array': return [event]
    case 'retry': throw new RetryError('later')
    case 'loop': while (true) {}
    case 'ask': {
      const answer = await fetch(settings.url + '/healthz?key=' + settings.key)
      console.warn('answered', answer.status)
      throw new Error('asked')
    }
  }
}
"""
FOLDER = f"""
[source.website]
write_keys = ["{WRITE_KEY}"]
[function.change]
code = "change.js"
[function.change.settings.key]
sensitive = true
[function.change.settings.url]
[destination.bin]
source = "website"
type = "sink"
[[destination.bin.functions]]
function = "change"
settings = {{ key = "{SECRET}", url = "URL" }}
[destination.spare]
source = "website"
type = "sink"
"""


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, **more}


# --- configuration and starting ---


def test_config_show_says_where_each_value_comes_from_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "midstream.toml").write_text("workers = 3\n")
    (tmp_path / "url").write_text(f"postgresql://u:{SECRET}@h/d\n")
    environ = {"MIDSTREAM_PORT": "5001", "MIDSTREAM_DATABASE_URL_FILE": str(tmp_path / "url")}
    ran = midstream("config", "show", "--origins", cwd=tmp_path, **environ)
    says(ran, 0, stdout="port = '5001'    # MIDSTREAM_PORT\n")
    assert "workers = 3    # midstream.toml\n" in ran.stdout
    assert "host = '127.0.0.1'    # default\n" in ran.stdout
    assert f"database_url = '••••'    # MIDSTREAM_DATABASE_URL_FILE={tmp_path / 'url'}\n" in ran.stdout
    assert SECRET not in ran.stdout
    as_json = json.loads(midstream("config", "show", "--json", "--origins", cwd=tmp_path, **environ).stdout)
    assert as_json["workers"] == {"value": 3, "origin": "midstream.toml"}


def test_an_unknown_or_unusable_setting_stops_every_command_and_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "midstream.toml").write_text("prot = 5000\n")
    for command in (("serve",), ("config", "show")):
        ran = midstream(*command, cwd=tmp_path)
        says(ran, 78, stderr="midstream: unknown setting 'prot' in midstream.toml. Did you mean 'port'?\n")
    (tmp_path / "midstream.toml").unlink()
    unknown = midstream("serve", cwd=tmp_path, MIDSTREAM_WORKER="2")
    said = "midstream: unknown setting 'worker' in the environment (MIDSTREAM_WORKER). Did you mean 'workers'?\n"
    says(unknown, 78, stderr=said)
    wrong = midstream("serve", cwd=tmp_path, MIDSTREAM_PORT=SECRET)
    says(wrong, 78, stderr="midstream: port (from MIDSTREAM_PORT): Input should be a valid integer")
    assert SECRET not in wrong.stderr
    role = midstream("serve", "--role", "boss", cwd=tmp_path)
    says(role, 2, stderr="Invalid value for --role: 'boss' is not one of all, ingest, worker, control")
    alone = midstream("serve", "--role", "worker", cwd=tmp_path)
    says(alone, 78, stderr="role 'worker' needs nats_url: only a whole midstream starts a log of its own")


def test_migrate_prepares_a_database_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        says(midstream("migrate", "--data-dir", "data", cwd=tmp_path), 0, stderr="The database is up to date.\n")
    assert (tmp_path / "data" / "midstream.db").is_file()


# --- apply ---


def test_apply_shows_what_changes_warns_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "shop.toml").write_text(FOLDER)
    (folder / "change.js").write_text(CODE)

    def apply(*more: str) -> Ran:
        return midstream("apply", "folder", *more, "--data-dir", "data", cwd=tmp_path)

    dry = apply("--dry-run")
    says(dry, 0, stdout="Would be: 6 created, 0 updated, 0 unchanged.\n")
    first = apply()
    says(first, 0, stdout="6 created, 0 updated, 0 unchanged.\n")
    assert "+ source website\n    write key …cdef\n+ function change\n    code (version 1)\n" in first.stdout
    assert "    warning: settings.key is sensitive and stands in the folder in the clear" in first.stdout
    assert "    warning: no onAlias, onDelete, onGroup, onIdentify, onPage, onScreen: such events" in first.stdout
    again = json.loads(apply("--json").stdout)
    assert {(each["kind"], each["noun"]) for each in again} >= {("unchanged", "workspace"), ("unchanged", "instance")}
    assert {each["kind"] for each in again} == {"unchanged"}
    (folder / "change.js").write_text(CODE + "function onPage(event) { return event }\n")
    changed = apply()
    says(changed, 0, stdout="0 created, 2 updated, 4 unchanged.\n")
    assert "~ function change\n    code (version 2)\n" in changed.stdout
    assert SECRET not in first.stdout + changed.stdout + json.dumps(again)
    (folder / "shop.toml").write_text(FOLDER.replace('[destination.spare]\nsource = "website"\ntype = "sink"', ""))
    pruned = apply("--prune", "--dry-run")
    says(pruned, 0, stdout="Would be: 0 created, 0 updated, 1 deleted, 5 unchanged.\n")
    assert "- destination spare\n    events that wait for it will not be delivered\n" in pruned.stdout
    (folder / "shop.toml").write_text(FOLDER.replace('type = "sink"', 'type = "sinc"').replace("enabled", "enable"))
    says(apply(), 1, stderr="sinc")
    (folder / "change.js").write_text("function onTrack( {")
    says(apply(), 1, stderr="midstream: change.js:1:")
    says(midstream("apply", "nowhere", cwd=tmp_path), 2, stderr="'nowhere' does not exist")


# --- with a midstream that runs ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running(tmp_path_factory.mktemp("cli")) as whole:
        before = whole.revisions()
        applied = whole.apply({"shop.toml": FOLDER.replace("URL", whole.base_url), "change.js": CODE})
        assert applied.returncode == 0, applied.stderr
        until(lambda: whole.taken_over_since(before))
        yield whole


def send(whole: Whole, stdin: str, *more: str, key: str = WRITE_KEY, **environ: str) -> Ran:
    environ = {"MIDSTREAM_URL": whole.base_url, "MIDSTREAM_WRITE_KEY": key} | environ
    return midstream("events", "send", "-", *more, cwd=whole.data_dir, stdin=stdin, **environ)


def test_serve_says_who_has_its_port_or_its_data_dir(whole: Whole, tmp_path: Path) -> None:
    port = whole.base_url.rpartition(":")[2]
    taken = midstream("serve", "--port", port, "--data-dir", "own", cwd=tmp_path)
    said = f"midstream: cannot listen on 127.0.0.1:{port}: Address already in use. Stop what uses it, or choose another"
    says(taken, 78, stderr=said)
    shared = midstream("serve", "--port", "0", "--data-dir", str(whole.data_dir), cwd=tmp_path)
    assert whole.process
    said = f"data_dir {whole.data_dir} is in use by another midstream (process {whole.process.pid}). Stop it, or give"
    says(shared, 78, stderr=said)
    assert whole.is_ready()


def test_events_send_takes_json_arrays_and_lines_and_says_what_was_refused(whole: Whole) -> None:
    one, two = event("sent", userId="u"), event("sent", userId="u")
    for text, count in (
        (json.dumps(one), 1),
        (json.dumps(one, indent=2), 1),
        (json.dumps([one, two]), 2),
        (f"{json.dumps(one)}\n\n{json.dumps(two)}\n", 2),
        ("\n".join([json.dumps(one)] * 250), 250),
        ("", 0),
    ):
        says(send(whole, text), 0, stdout=f"{count} taken, 0 refused\n")
    refused = send(
        whole, json.dumps([one, event("no one"), two, 7 * [1]]).replace("[1, 1, 1, 1, 1, 1, 1]", '{"type":"x"}')
    )
    says(refused, 1, stdout="2 taken, 2 refused\n", stderr="event 2: no_user_anon_id: either userId or anonymousId is")
    assert "event 4: bad_request: type must be one of" in refused.stderr
    assert json.loads(send(whole, json.dumps(one), "--json").stdout) == {"taken": 1, "refused": []}
    # The number is that in the file, not in the request it travelled in.
    late = send(whole, "\n".join([json.dumps(one)] * 120 + ['{"type":"page"}']))
    says(late, 1, stdout="120 taken, 1 refused\n", stderr="event 121: no_user_anon_id")


def test_events_send_says_why_nothing_was_sent(whole: Whole, tmp_path: Path) -> None:
    good = json.dumps(event("sent", userId="u"))
    bad = send(whole, f"{good}\n{{oops\n")
    says(bad, 1, stderr="midstream: stdin: line 2, column 2, is not valid JSON: Expecting property name")
    says(
        send(whole, good, key="wk_nobody"),
        77,
        stderr="midstream: midstream answered 401: no source has this write key\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unreachable = send(whole, good, MIDSTREAM_URL=f"http://127.0.0.1:{port}")
    says(unreachable, 69, stderr=f"midstream: cannot reach midstream at http://127.0.0.1:{port}/v1/batch: ")
    elsewhere = send(whole, good, MIDSTREAM_URL=f"{whole.base_url}/healthz")
    said = f"midstream: {whole.base_url}/healthz/v1/batch answered 404, but not as midstream does; check --url\n"
    says(elsewhere, 1, stderr=said)
    says(send(whole, good, MIDSTREAM_URL=f"{whole.base_url}/"), 0, stdout="1 taken, 0 refused\n")
    missing = midstream("events", "send", "nowhere.json", "--write-key", "k", cwd=tmp_path)
    says(missing, 1, stderr="midstream: nowhere.json: cannot be read: No such file or directory\n")
    keyless = midstream("events", "send", "-", cwd=tmp_path)
    says(keyless, 2, stderr="Missing option '--write-key' (env var: 'MIDSTREAM_WRITE_KEY')")


@contextlib.contextmanager
def tailing(whole: Whole, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "midstream", "tail", "--data-dir", str(whole.data_dir), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        try:
            assert tail.stderr
            assert tail.stderr.readline() == "Waiting for events. Ctrl-C ends.\n"
            yield tail
        finally:
            tail.kill()


def test_tail_shows_what_becomes_of_each_event_and_of_one_destination_where_asked(whole: Whole) -> None:
    with tailing(whole) as all_of_it, tailing(whole, "--json", "--destination", "spare") as spare:
        assert all_of_it.stdout
        assert spare.stdout
        says(send(whole, json.dumps(event("drop", userId="u", messageId="tailed"))), 0, stdout="1 taken")
        lines = {all_of_it.stdout.readline().split(maxsplit=1)[1] for _ in range(2)}
        assert {line.split()[0] for line in lines} == {"bin", "spare"}
        assert any("track drop" in line and "filtered (Filtered at insert function)" in line for line in lines)
        row = json.loads(spare.stdout.readline())
        assert (row["message_id"], row["outcome"], row["attempt"]) == ("tailed", "delivered", 1)
        assert row["destination_id"].startswith("dst_")
        all_of_it.send_signal(signal.SIGINT)
        assert all_of_it.wait(20) == 0
        assert all_of_it.stderr
        assert all_of_it.stderr.read() == ""
    unknown = midstream("tail", "--destination", "attic", "--data-dir", str(whole.data_dir), cwd=whole.data_dir)
    says(unknown, 1, stderr="midstream: there is no destination 'attic'; there are: bin, spare\n")


def test_received_shows_what_came_to_a_sink_as_its_functions_left_it(whole: Whole) -> None:
    def received(*arguments: str) -> Ran:
        return midstream("destinations", "received", *arguments, "--data-dir", str(whole.data_dir), cwd=whole.data_dir)

    names = ("stay", "drop", "cut emoji", "\u009b2J", "stay")
    sent = [event(name, userId="looked-at", messageId=f"r-{number}") for number, name in enumerate(names)]
    says(send(whole, "\n".join(map(json.dumps, sent))), 0, stdout="5 taken")

    def came(destination: str) -> list[dict[str, Any]]:
        events = json.loads(received(destination, "--limit", "1000", "--json").stdout)
        return [each for each in events if each.get("userId") == "looked-at"]

    until(lambda: len(came("spare")) == 5)
    assert [each["messageId"] for each in came("spare")] == [each["messageId"] for each in sent]
    until(lambda: len(came("bin")) == 3)
    assert [each["properties"] for each in came("bin")] == [{"kept": True}, {"cut": "\ufffd"}, {"kept": True}]
    spare = received("spare", "--limit", "2")
    says(spare, 0, stdout="\\u009b2J")
    assert [json.loads(line)["messageId"] for line in spare.stdout.splitlines()] == ["r-3", "r-4"]
    assert spare.stdout.isascii()
    says(received("attic"), 1, stderr="midstream: there is no destination 'attic'; there are: bin, spare\n")


def test_received_says_where_there_is_nothing_to_see(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        hook = '[destination.hook]\nsource = "website"\ntype = "webhook"\nsettings = { url = "https://example.com/" }\n'
        table = "[source.website]\n[destination.empty]\nsource = 'website'\ntype = 'sink'\n"
        assert whole.apply({"shop.toml": table + hook}).returncode == 0

        def received(destination: str, *more: str) -> Ran:
            data_dir = str(whole.data_dir)
            return midstream("destinations", "received", destination, *more, "--data-dir", data_dir, cwd=tmp_path)

        says(received("empty"), 0, stderr="Nothing has come to empty since its log was started.\n")
        assert received("empty", "--json").stdout == "[]\n"
        says(received("hook"), 1, stderr="midstream: 'hook' is a webhook; only a sink keeps what it was given.")
        whole.stop()
        says(received("empty"), 69, stderr="midstream: no midstream is running on ")


def test_what_looks_at_a_midstream_says_when_none_runs(tmp_path: Path) -> None:
    none = midstream("tail", "--data-dir", "data", cwd=tmp_path)
    said = "midstream: no midstream is running on data; start one with `midstream serve`\n"
    says(none, 69, stderr=said)
    empty = midstream("deliveries", "--data-dir", "data", cwd=tmp_path)
    says(empty, 0, stdout="Nothing was counted in the last 1h. Try a longer --since.\n")
    as_json = midstream("deliveries", "--data-dir", "data", "--json", "--since", "2d", cwd=tmp_path)
    assert json.loads(as_json.stdout) == {"deliveries": [], "samples": []}
    for since in ("soon", "-1h"):
        wrong = midstream("deliveries", "--data-dir", "data", f"--since={since}", cwd=tmp_path)
        says(wrong, 2, stderr=f"Invalid value for --since: '{since}' is not a time span; write 30m, 6h or 2d")
    far = midstream("deliveries", "--data-dir", "data", "--since", "999999999w", cwd=tmp_path)
    says(far, 0, stdout="Nothing was counted in the last 999999999w.\n")


def test_deliveries_counts_by_reason_and_shows_samples_with_line_logs_and_requests(whole: Whole) -> None:
    names = ("keep", "bug", "ask", "drop", "invalid")
    says(send(whole, "\n".join(json.dumps(event(name, userId="counted")) for name in names)), 0, stdout="5 taken")

    def deliveries(*arguments: str) -> Ran:
        return midstream("deliveries", *arguments, "--data-dir", str(whole.data_dir), cwd=whole.data_dir)

    def counted() -> dict[tuple[str, str], int]:
        rows = json.loads(deliveries("--destination", "bin", "--json").stdout)["deliveries"]
        found = {(row["event"], row["reason"]): row["count"] for row in rows}
        return found if all(name in {each for each, _ in found} for name in names) else {}

    counts = until(counted)
    assert counts["keep", "successes.attempt.1"] == 1
    assert counts["bug", "bad_request"] == counts["ask", "bad_request"] == 1
    assert counts["invalid", "message_rejected"] == 1
    table = deliveries("--destination", "bin")
    says(table, 0, stdout="Destination")
    assert any(
        line.split()[:5] == ["bin", "track", "bug", "discarded:", "bad_request"] for line in table.stdout.splitlines()
    )
    shown = deliveries("--destination", "bin", "--reason", "bad_request", "--since", "30m")
    says(shown, 0, stdout="   ReferenceError at line 10, column 17\n")
    assert "   ReferenceError: nowhere is not defined\n" in shown.stdout
    assert "   log: seen bug ••••\n" in shown.stdout
    assert "   warn: answered 200\n" in shown.stdout
    assert f"   GET {whole.base_url}/healthz?key=•••• → 200 in " in shown.stdout
    said = shown.stdout.partition("track bug  bad_request")[2]
    event_said = said[said.index("   event: {\n") :].removeprefix("   event: ").partition("\n\n")[0]
    assert event_said.startswith('{\n     "type": "track",\n     "event": "bug",\n     "messageId": "')
    assert '\n     "userId": "counted",\n' in event_said
    assert json.loads(event_said)["event"] == "bug"
    assert "message_rejected" not in shown.stdout
    assert SECRET not in shown.stdout
    [sample] = [
        each
        for each in json.loads(deliveries("--reason", "bad_request", "--destination", "bin", "--json").stdout)[
            "samples"
        ]
        if each["event"] == "ask"
    ]
    assert sample["body"]["requests"][0]["status"] == 200
    assert sample["body"]["error"]["message"] == "asked"
    unknown = deliveries("--destination", "attic")
    says(unknown, 1, stderr="midstream: there is no destination 'attic'; there are: bin, spare\n")


def test_the_demo_shows_outcomes_and_leaves_nothing_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "midstream", "demo", "--port", "0", "--keep", "kept", "--rate", "200"]
    with (
        (tmp_path / "said").open("w+") as said,
        subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said, stdin=subprocess.DEVNULL) as demo,
    ):
        try:
            until(lambda: next(filter(shows_each, lines(tmp_path)), ""))
            children = descendants(demo.pid)
            assert len(children) >= 4, "front, worker, nats-server and Deno"
            counts = (
                "deliveries",
                "--data-dir",
                "kept",
            )  # what is shown live comes from the log, these from the database
            until(lambda: "delivered" in midstream(*counts, cwd=tmp_path).stdout)
        finally:
            demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    assert any(line.startswith("midstream runs at http://127.0.0.1:") for line in lines(tmp_path))
    assert lines(tmp_path)[-1] == "Everything the demo started has stopped."
    assert not [pid for pid, _ in children if Path(f"/proc/{pid}").exists()]
    says(midstream(*counts, cwd=tmp_path), 0, stdout="delivered")


def shows_each(line: str) -> bool:
    """Say whether a line is a report that has each kind of outcome in it."""
    if not line.startswith("received"):
        return False
    shown = {word.split()[0]: int(word.split()[1]) for word in line.split(", ")[:4]}
    return min(shown["received"], shown["delivered"], shown["filtered"], shown["discarded"]) > 0


def lines(folder: Path) -> list[str]:
    return (folder / "said").read_text().splitlines()


def test_help_names_every_command_with_an_example(tmp_path: Path) -> None:
    overview = midstream("--help", cwd=tmp_path)
    says(overview, 0, stdout="Insert functions for event streams")
    for command in ("demo", "serve", "migrate", "apply", "tail", "deliveries", "functions", "events", "config"):
        assert f" {command} " in overview.stdout
    says(midstream("events", "send", "-h", cwd=tmp_path), 0, stdout="Example: midstream events send orders.ndjson")
    says(midstream("nonsense", cwd=tmp_path), 2, stderr="No such command 'nonsense'")
