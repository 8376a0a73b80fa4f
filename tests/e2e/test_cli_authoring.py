"""`midstream functions` as an author uses it, from the first file to a case that fails. No server runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import midstream, says
from tests.whole import until

SECRET = "planted-secret-value"
CODE = """
async function onTrack(event, settings) {
  console.log('seen', event.event, settings.key)
  switch (event.event) {
    case 'keep': event.properties = { kept: true }; return event
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


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u-1", "event": name, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "change.js").write_text(CODE)
    (tmp_path / "settings.json").write_text(json.dumps({"key": "k", "url": "http://127.0.0.1:1"}))
    (tmp_path / "broken.js").write_text("function onTrack(event) {\n  return event }}\n")
    (tmp_path / "empty.js").write_text("const handler = 1\n")
    return tmp_path


def test_check_says_the_handlers_or_what_is_wrong_and_where(folder: Path) -> None:
    good = midstream("functions", "check", "change.js", cwd=folder)
    says(good, 0, stdout="change.js: onTrack\n")
    assert "change.js: warning: no onIdentify, onPage, onScreen, onGroup, onAlias: such events will" in good.stdout
    assert "change.js: warning: no onDelete: requests to delete a user's data will not be delivered\n" in good.stdout
    broken = midstream("functions", "check", "broken.js", cwd=folder)
    says(
        broken,
        3,
        stdout="broken.js:2:17: SyntaxError: Unexpected token '}'\n    return event }}\n                  ^\n",
    )
    as_json = midstream("functions", "check", "broken.js", "--json", cwd=folder)
    assert as_json.returncode == 3
    assert json.loads(as_json.stdout) == {
        "handlers": [],
        "diagnoses": [
            {
                "severity": "error",
                "code": "syntax",
                "message": "SyntaxError: Unexpected token '}'",
                "line": 2,
                "column": 17,
                "sourceLine": "  return event }}",
            }
        ],
    }
    none = midstream("functions", "check", "empty.js", cwd=folder)
    wanted = "onIdentify, onTrack, onPage, onScreen, onGroup, onAlias, onDelete"
    says(none, 3, stdout=f"empty.js: no handler found; a function needs at least one of {wanted}\n")
    missing = midstream("functions", "check", "nowhere.js", cwd=folder)
    says(missing, 2, stderr="'nowhere.js' does not exist")
    (folder / "latin.js").write_bytes(b"// caf\xe9")
    latin = midstream("functions", "check", "latin.js", cwd=folder)
    says(latin, 1, stderr="midstream: latin.js: is not UTF-8 text (at byte 6)\n")
    several = midstream("functions", "check", ".", cwd=folder)
    says(several, 1, stderr="there are several: broken.js, change.js, empty.js, latin.js; name one, or call it")


def test_check_finds_names_and_settings_that_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "function.js").write_text("onTrack = (e, settings) => { e.a = settings.apiKye; return evnt }\n")
    (tmp_path / "function.toml").write_text("[settings.apiKey]\nsensitive = true\n")
    found = midstream("functions", "check", ".", cwd=tmp_path)
    says(found, 3, stdout="function.js:1:45: unknown setting 'apiKye'; did you mean 'apiKey'?\n")
    assert "function.js:1:60: warning: Cannot find name 'evnt'." in found.stdout
    strict = midstream("functions", "check", ".", "--types", "--json", cwd=tmp_path)
    assert ("unknown_name", "error") in {(it["code"], it["severity"]) for it in json.loads(strict.stdout)["diagnoses"]}
    without = midstream("functions", "check", ".", "--no-types", cwd=tmp_path)
    assert "evnt'" not in without.stdout
    (tmp_path / "function.toml").write_text("[settings.apiKey]\nsecret = true\n")
    broken = midstream("functions", "check", ".", cwd=tmp_path)
    says(broken, 1, stderr="midstream: function.toml: settings.apiKey: unknown key 'secret'; known: description,")


ENDINGS: dict[str, tuple[str, str | None, str | None, str | None, int | None]] = {
    # event: outcome, discardReason, message, the error's name and line
    "keep": ("returned", None, None, None, None),
    "cut emoji": ("returned", None, None, None, None),
    "drop": ("filtered", "Filtered at insert function", "not wanted", "DropEvent", 7),
    "nothing": ("filtered", "Filtered at insert function", "handler returned nothing", None, None),
    "invalid": ("discarded", "message_rejected", "no good", "ValidationError", 9),
    "bug": ("discarded", "bad_request", "ReferenceError: nowhere is not defined", "ReferenceError", 10),
    "array": (
        "discarded",
        "bad_request",
        "the handler returned an array; it must return one event object",
        "TypeError",
        None,
    ),
    "retry": ("retry", "retry", "later", "RetryError", 12),
    "loop": ("retry", "gateway_timeout", "the handler took longer than 0.5 s", None, None),
}
RESULT = {"messageId", "outcome", "discardReason", "message", "event", "logs", "requests", "error", "durationMs"}


def test_test_gives_a_result_for_each_event_in_the_form_of_preview(folder: Path) -> None:
    events = [event(name, messageId=f"m-{name}") for name in ENDINGS] + [
        event("x", type=each) for each in ("page", "no")
    ]
    (folder / "events.json").write_text(json.dumps(events))
    asked = ("functions", "test", "change.js", "--event", "events.json", "--settings", "settings.json")
    ran = midstream(*asked, "--json", cwd=folder, MIDSTREAM_FUNCTION_TIMEOUT="0.5")
    says(
        ran, 0, stdout='"results"', stderr="warning: event 11: midstream would not accept it (bad_request: type must be"
    )
    results = json.loads(ran.stdout)["results"]
    assert [each["messageId"] for each in results] == [f"m-{name}" for name in ENDINGS] + ["test-1", "test-2"]
    for result, (name, (outcome, reason, message, error, line)) in zip(results, ENDINGS.items(), strict=False):
        assert set(result) == RESULT
        assert (result["outcome"], result["discardReason"]) == (outcome, reason), name
        assert result["durationMs"] >= 0
        if name != "loop":  # killed: neither its words nor an error of its own are left
            assert result["message"] == message
            assert [each["message"] for each in result["logs"]] == [f"seen {name} k"]
            assert (result["error"] or {}).get("name") == error
            assert (result["error"] or {}).get("line") == line
    assert results[0]["event"].items() >= {**events[0], "properties": {"kept": True}}.items()
    assert results[0]["event"]["receivedAt"] == results[0]["event"]["timestamp"]
    assert results[1]["event"]["properties"] == {"cut": "\ufffd"}
    assert all(each["event"] is None for each in results[2:])
    assert [each["discardReason"] for each in results[-2:]] == ["unsupported_event_type"] * 2


def test_test_talks_to_people_and_takes_stdin_and_lines(folder: Path) -> None:
    asked = ("functions", "test", "change.js", "--settings", "settings.json", "--event", "-")
    lines = "\n".join(json.dumps(event(name)) for name in ("keep", "invalid", "ask"))
    ran = midstream(*asked, cwd=folder, stdin=lines)
    says(ran, 0, stdout="test-1: returned in ")
    assert "test-2: discarded (message_rejected)" in ran.stdout
    assert "  no good\n  ValidationError line 9, column 27\n  log: seen invalid k\n" in ran.stdout
    assert "  GET http://127.0.0.1:1/healthz?key=k → EBLOCKED" in ran.stdout
    assert '"kept": true' in ran.stdout
    for stdin, said in (
        ("[]", "-: there is no event in it; expected a JSON object, an array of them, or one a line"),
        ("[1]", "stdin: event 1 is not a JSON object"),
        ('{\n "type": "track",\n}', "stdin: line 3, column 1, is not valid JSON: Expecting property name"),
        ('{"x": NaN}', "stdin: is not valid JSON: NaN is not a JSON value"),
    ):
        says(midstream(*asked, cwd=folder, stdin=stdin), 2, stderr=f"Invalid value for --event: {said}")
    (folder / "settings.json").write_text("[]")
    says(midstream(*asked, cwd=folder, stdin="{}"), 1, stderr="settings.json: expected a JSON object of settings")


def test_test_says_once_that_the_code_does_not_load(folder: Path) -> None:
    (folder / "events.json").write_text(json.dumps([event("a"), event("b")]))
    for file, said in (
        ("broken.js", "broken.js:2:17: SyntaxError: Unexpected token '}'\n"),
        ("empty.js", "no handler"),
    ):
        ran = midstream("functions", "test", file, "--event", "events.json", cwd=folder)
        says(ran, 3, stderr=said)
        ran = midstream("functions", "test", file, "--event", "events.json", "--json", cwd=folder)
        says(ran, 3, stdout='"results"', stderr=said)
        assert len(json.loads(ran.stdout)["results"]) == 2


def test_sensitive_settings_that_are_declared_beside_the_code_are_hidden(folder: Path) -> None:
    (folder / "function.toml").write_text("[settings.key]\nsensitive = true\n[settings.url]\n")
    (folder / "settings.json").write_text(json.dumps({"key": SECRET, "url": "http://127.0.0.1:1"}))
    asked = ("functions", "test", "change.js", "--settings", "settings.json", "--event", "-")
    ran = midstream(*asked, cwd=folder, stdin=json.dumps(event("ask")))
    says(ran, 0, stdout="  GET http://127.0.0.1:1/healthz?key=•••• → EBLOCKED")
    assert SECRET not in ran.stdout


# --- cases ---

COUNT = """
function onTrack(event, settings) {
  console.log('counting')
  event.properties = { total: event.properties.price * settings.rate }
  return event
}
"""


def lay(folder: Path, **cases: Any) -> Path:
    (folder / "function.js").write_text(COUNT)
    (folder / "cases").mkdir(exist_ok=True)
    for name, content in cases.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "cases" / f"{name}.json").write_text(text)
    return folder


def priced(price: float, **expected: Any) -> dict[str, Any]:
    case = {"description": f"a price of {price}", "event": event("x", properties={"price": price})}
    return case | {"settings": {"rate": 2}} | ({"expected": expected} if expected else {})


def test_cases_pass_or_fail_with_a_diff_and_the_exit_code_tells(tmp_path: Path) -> None:
    good = event("x", properties={"total": 10})
    wrong = event("x", properties={"total": 11})
    lay(tmp_path, good=priced(5, event=good, logs=["counting"]))
    passing = midstream("functions", "test", ".", cwd=tmp_path)
    says(passing, 0, stdout="pass    cases/good.json a price of 5\n1 passed, 0 failed.\n")
    lay(tmp_path, wrong=priced(5, outcome="returned", event=wrong))
    failing = midstream("functions", "test", "function.js", cwd=tmp_path)
    says(failing, 3, stdout="FAIL    cases/wrong.json a price of 5\n        - expected, + came:\n")
    assert '        -       "total": 11\n        +       "total": 10\n' in failing.stdout
    assert failing.stdout.endswith("1 passed, 1 failed.\n")
    assert "\x1b" not in failing.stdout
    coloured = midstream("functions", "test", ".", cwd=tmp_path, FORCE_COLOR="1")
    assert '\x1b[31m        -       "total": 11\x1b[0m' in coloured.stdout
    as_json = midstream("functions", "test", ".", "--json", cwd=tmp_path)
    says(as_json, 3, stdout='"cases"')
    first, second = json.loads(as_json.stdout)["cases"]
    assert (first["case"], first["passed"], first["differences"]) == ("cases/good.json", True, [])
    assert second["differences"] == [{"path": "event.properties.total", "expected": 11, "actual": 10}]
    assert second["results"][0]["outcome"] == "returned"


def test_a_case_without_expectation_fails_until_update_records_what_came(tmp_path: Path) -> None:
    lay(tmp_path, new=priced(3), stale=priced(4, outcome="filtered", logs=["$any"]))
    first = midstream("functions", "test", ".", cwd=tmp_path)
    says(first, 3, stdout="nothing is expected yet; run with --update to record what came:\n")
    updated = midstream("functions", "test", ".", "--update", cwd=tmp_path)
    says(updated, 0, stdout="updated cases/new.json a price of 3\n")
    assert updated.stdout.endswith("0 passed, 0 failed, 2 updated.\n")
    recorded = json.loads((tmp_path / "cases" / "new.json").read_text())
    assert recorded["expected"] == {
        "event": event("x", properties={"total": 6}),
        "logs": ["counting"],
        "outcome": "returned",
    }
    stale = json.loads((tmp_path / "cases" / "stale.json").read_text())
    assert stale["expected"] == {"logs": ["$any"], "outcome": "returned"}
    before = (tmp_path / "cases" / "new.json").read_text()
    says(midstream("functions", "test", ".", "--update", cwd=tmp_path), 0, stdout="2 passed, 0 failed.\n")
    assert (tmp_path / "cases" / "new.json").read_text() == before


def test_a_faulty_case_fails_alone_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    lay(
        tmp_path, a='{"event": {},\n "expectt": 1}', b='{\n  "event": {}\n  "x": 1}', good=priced(1, outcome="returned")
    )
    ran = midstream("functions", "test", ".", cwd=tmp_path)
    says(ran, 3, stdout="FAIL    cases/a.json\n        unknown key 'expectt'; did you mean 'expected'?\n")
    assert "FAIL    cases/b.json\n        line 3, column 3, is not valid JSON: Expecting ',' delimiter\n" in ran.stdout
    assert ran.stdout.endswith("1 passed, 2 failed.\n")


def test_cases_see_no_network_and_say_which_answer_is_missing(tmp_path: Path) -> None:
    lay(tmp_path, asks={"event": event("x"), "expected": {"outcome": "returned"}})
    (tmp_path / "function.js").write_text("async function onTrack(e) { await fetch('http://127.0.0.1:9/x'); return e }")
    ran = midstream("functions", "test", ".", cwd=tmp_path, MIDSTREAM_EGRESS_ALLOW="127.0.0.0/8")
    wanted = (
        'no mocked response matches GET http://127.0.0.1:9/x: add {"method": "GET", "url": "http://127.0.0.1:9/x", …}'
    )
    says(ran, 3, stdout=wanted)
    stubborn = midstream("functions", "test", ".", "--update", cwd=tmp_path)
    says(stubborn, 3, stdout="0 passed, 1 failed.\n")


def test_settings_for_given_events_have_to_fit_what_is_declared(tmp_path: Path) -> None:
    (tmp_path / "function.js").write_text("onTrack = (event, settings) => ({ ...event, seen: settings.salt })")
    (tmp_path / "function.toml").write_text("[settings.salt]\nrequired = true\n")
    (tmp_path / "event.json").write_text(json.dumps(event("x")))
    asked = ("functions", "test", ".", "--event", "event.json")
    says(midstream(*asked, cwd=tmp_path), 1, stderr="setting 'salt' is required: give it a value")
    asked += ("--settings", "settings.json")
    (tmp_path / "settings.json").write_text(json.dumps({"slat": "a"}))
    says(midstream(*asked, cwd=tmp_path), 1, stderr="did you mean 'salt'?")
    (tmp_path / "settings.json").write_text(json.dumps({"salt": "a"}))
    says(midstream(*asked, cwd=tmp_path), 0, stdout='"seen": "a"')


def test_cases_of_code_that_does_not_load_are_not_run(tmp_path: Path) -> None:
    lay(tmp_path, one=priced(1))
    (tmp_path / "function.js").write_text("function onTrack( {")
    says(midstream("functions", "test", ".", cwd=tmp_path), 3, stderr="function.js:1:")
    as_json = midstream("functions", "test", ".", "--json", cwd=tmp_path)
    assert as_json.returncode == 3
    said = json.loads(as_json.stdout)
    assert (said["cases"], said["diagnoses"][0]["code"]) == ([], "syntax")


def test_what_cannot_be_done_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "mask.js").write_text("onTrack = e => e")
    (tmp_path / "case.json").write_text(json.dumps({"event": event("x"), "expected": {"outcome": "returned"}}))
    (tmp_path / "cases.json").write_text(json.dumps({"events": [event("x")]}))
    for arguments, said in (
        (("mask.js",), "there is no case in cases: write one as cases/NAME.json, or give"),
        (("nowhere",), "'nowhere' does not exist"),
        (
            (".", "--event", "gone.json"),
            "Invalid value for --event: gone.json: cannot be read: No such file or directory",
        ),
        ((".", "--event", "case.json"), "Invalid value for --event: case.json: is a case, which has its event inside"),
        (
            (".", "--event", "cases.json"),
            "put it into cases/ beside the code, and `midstream functions test DIR` runs it",
        ),
        ((".", "--event", "x.json", "--update"), "--update records cases; it does nothing with --event"),
        ((".", "--event", "-", "--watch"), "--watch needs a file for --event: stdin can be read only once"),
        ((".", "--frobnicate"), "No such option"),
    ):
        says(midstream("functions", "test", *arguments, cwd=tmp_path), 2, stderr=said)


def test_watch_tries_again_whenever_a_file_changes_whatever_it_holds(tmp_path: Path) -> None:
    lay(tmp_path, good=priced(5, outcome="returned"))
    command = [sys.executable, "-m", "midstream", "functions", "test", ".", "--watch"]
    output = tmp_path / "said"
    with output.open("wb") as into:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=into, stderr=subprocess.STDOUT)
    try:
        until(lambda: output.read_text().count("Waiting for a change") == 1)
        assert "1 passed, 0 failed." in output.read_text()
        for number, (file, text, said) in enumerate(
            (
                ("function.js", "function onTrack( {", "function.js:1:"),
                ("function.js", "onTrack = () => null", "filtered: handler returned nothing"),
                ("function.toml", "oops", "function.toml: not readable as TOML"),
                ("function.toml", "", "FAIL    cases/good.json"),
                ("function.js", COUNT, "unknown setting 'rate'"),
            ),
            2,
        ):
            before = len(output.read_text())
            (tmp_path / file).write_text(text)
            until(lambda number=number: output.read_text().count("Waiting for a change") >= number)
            assert said in output.read_text()[before:]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


# --- the first file ---


def test_init_writes_a_function_that_passes_and_says_what_to_do_next(tmp_path: Path) -> None:
    begun = midstream("functions", "init", "new", "--template", "batch", cwd=tmp_path)
    says(begun, 0, stdout="new/function.js\n", stderr="  midstream functions test new --watch\n")
    assert set(begun.stdout.splitlines()) >= {"new/function.toml", "new/segment.d.ts", "new/jsconfig.json"}
    checked = midstream("functions", "check", "new", cwd=tmp_path)
    says(checked, 0, stdout="new/function.js: on")
    assert len(checked.stdout.splitlines()) == 1, checked.stdout
    says(midstream("functions", "test", "new", cwd=tmp_path), 0, stdout="3 passed, 0 failed.\n")
    again = midstream("functions", "init", "other", "--json", cwd=tmp_path)
    says(again, 0, stdout='"other/function.js"')
    assert {tmp_path / name for name in json.loads(again.stdout)["files"]} == {
        path for path in (tmp_path / "other").rglob("*") if path.is_file()
    }


def test_init_touches_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "function.js").write_text("mine")
    ran = midstream("functions", "init", ".", cwd=tmp_path)
    says(ran, 1, stderr="midstream: .: function.js is there already; choose another folder, or move it away\n")
    assert [path.name for path in tmp_path.iterdir()] == ["function.js"]
    says(midstream("functions", "init", "function.js", cwd=tmp_path), 2, stderr="is a file")
    says(
        midstream("functions", "init", "x", "--template", "msk", cwd=tmp_path),
        2,
        stderr="is not one of 'default', 'batch'",
    )
