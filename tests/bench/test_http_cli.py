"""The program against a stand-in app: the report, exit statuses, and that nothing hangs."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli
from port_worker.bench.http.arguments import without_secrets
from port_worker.bench.report_file import read_report
from port_worker.bench.resolved import chosen
from tests.bench.programs import Bench
from tests.peers.stand_in_app import Act, After, StandInApp, answer

USERS = ["ada", "bob", "eve"]
SHORT = ("--rate", "100", "--warmup", "0.1", "--duration", "1")
GOOD = answer(b'{"fallback": false, "items": []}')
FALLBACK = answer(b'{"fallback": true, "items": []}')
OVERLOADED = answer(b"", "503 Service Unavailable")

Respond = Callable[[int, bytes], Act]


class HttpBench(Bench):
    """Runs the bench on a stand-in app; call number 0 is the probe's, and the next 10 are the warm-up's."""

    def on(self, respond: Respond, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit status and the scenario."""
        with StandInApp(respond) as app:
            return self.at(app, *words)

    def at(self, app: StandInApp, *words: str) -> tuple[int, dict[str, Any]]:
        (self.folder / "users.txt").write_text("\n".join(USERS), encoding="utf-8")
        users = ("--users", str(self.folder / "users.txt"))
        path = self.folder / "result.json"
        words = ("--driver", "http", "--url", app.url, *users, *SHORT, "--json", str(path), *words)
        status = cli.run(self.parse("--home", str(self.folder), *words))
        (scenario,) = read_report(path)["scenarios"] if path.stat().st_size else ({},)
        return status, scenario


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HttpBench:
    return HttpBench(tmp_path, monkeypatch)


def good(_number: int, _head: bytes) -> Act:
    return Act(GOOD)


def test_a_good_run_exits_with_0_and_says_everything(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInApp(good) as app:
        status, scenario = bench.at(app, "--header", "Authorization: Bearer x", "--slo", "errors<=0")
    assert status == cli.MET
    assert (scenario["name"], scenario["driver"], scenario["workers"]) == ("steady-http", "http", [])
    total, options = scenario["total"], scenario["options"]
    assert (total["offered"], total["ok"], total["errors"]) == (100, 100, 0)
    assert total["answers_by_source"] == {"primary": 100}
    assert (options["url"], options["connections"], options["timeout_ms"]) == (app.url, 64, 5000)
    assert (options["known_users"], options["n"], options["codec"], options["workers"]) == (3, None, None, None)
    assert len(app.heads) == 1 + 10 + 100
    assert {head.split(b"/")[3].split(b"?")[0].decode() for head in app.heads} == set(USERS)
    assert all(b"\r\nAuthorization: Bearer x\r\n" in head + b"\r\n" for head in app.heads)
    said = capsys.readouterr().out
    assert f"an app at {app.url}" in said
    assert f"users {bench.folder / 'users.txt'} of 3; seed 7; url {app.url}" in said


def test_every_kind_of_error_is_a_row_of_its_own(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {
        20: Act(OVERLOADED),
        30: Act(answer(b"", "429 Too Many Requests")),
        40: Act(answer(b"", "504 Gateway Timeout")),
        50: Act(answer(b"", "500 Internal Server Error")),
        60: Act(b"", After.RESET),
        70: Act(b"", After.CLOSE),
        80: Act(GOOD[:-5], After.CLOSE),
        90: Act(),
        100: Act(FALLBACK),
    }
    words = ("--timeout-ms", "1000", "--slo", "errors<50%")
    status, scenario = bench.on(lambda number, _head: bad.get(number, Act(GOOD)), *words)
    total = scenario["total"]
    assert status == cli.MET
    expected = {
        **{"overloaded": 2, "deadline": 1, "http_500": 1, "connection_reset": 1, "connection_closed": 1},
        **{"answer_truncated": 1, "timeout": 1},
    }
    assert total["errors_by_code"] == expected
    assert total["answers_by_source"] == {"fallback": 1, "primary": total["ok"] - 1}
    assert total["ok"] + total["errors"] == total["offered"] == 100
    table = capsys.readouterr().out
    assert all(f"\n{code} " in table for code in expected)


def test_a_stall_is_seen_from_the_due_times(bench: HttpBench) -> None:
    """Half a second at 100 calls a second: the call that is due 10 k ms after its beginning waits 500 - 10 k ms."""
    stall_s = 0.5
    status, scenario = bench.on(lambda number, _head: Act(GOOD, stall_s=stall_s if number == 30 else 0.0))
    corrected, uncorrected = scenario["total"]["latency_ms"], scenario["total"]["uncorrected_ms"]
    assert status == (cli.MET if corrected["p99"] < 500 else cli.BREACHED)
    assert corrected["p999"] >= 500
    assert corrected["p75"] >= 100
    assert uncorrected["max"] >= 500
    assert uncorrected["p75"] < corrected["p75"]
    assert uncorrected["count"] <= corrected["count"] - 30


def test_an_app_that_ends_in_the_run_breaches_and_nothing_hangs(bench: HttpBench) -> None:
    app = StandInApp(good)

    def respond(number: int, _head: bytes) -> Act:
        if number == 60:
            app.stop()
        return Act(GOOD)

    app.respond = respond
    with app:
        status, scenario = bench.at(app)
    total = scenario["total"]
    assert status == cli.BREACHED
    assert total["ok"] + total["errors"] == total["offered"] == 100
    assert set(total["errors_by_code"]) <= {"connection_refused", "connection_reset", "connection_closed"}
    assert total["errors_by_code"]["connection_refused"] > 20


def test_a_closed_loop_is_run(bench: HttpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.test_http_cli.SHORT", ("--warmup", "0.1", "--duration", "0.5"))
    status, scenario = bench.on(lambda _number, _head: Act(GOOD, stall_s=0.005), "--closed", "--in-flight", "2")
    assert status == cli.MET
    assert 20 <= scenario["total"]["ok"] <= 100
    assert scenario["findings"]["connections"]["opened"] == 2


def test_a_ramp_finds_the_knee_of_an_app(bench: HttpBench) -> None:
    """An app that takes 5 ms for each call takes no more than 200 a second."""
    words = ("--scenario", "ramp", "--rate", "100", "--duration", "0.5", "--precision", "50%", "--slo", "p99<300ms")
    _status, scenario = bench.on(lambda _number, _head: Act(GOOD, stall_s=0.005), *words)
    findings = scenario["findings"]
    assert scenario["name"] == "ramp-http"
    assert any(not step["met"] for step in findings["steps"])
    assert findings["knee_rate"] is None or findings["knee_rate"] <= 200


def test_a_burst_and_a_soak_are_run(bench: HttpBench) -> None:
    _status, scenario = bench.on(good, "--scenario", "burst", "--times", "2")
    assert [phase["name"] for phase in scenario["phases"]] == ["calm", "burst", "after"]
    _status, scenario = bench.on(good, "--scenario", "soak", "--pid", str(os.getpid()), "--slo", "rss>1MB")
    assert scenario["workers"][0]["pid"] == os.getpid()
    assert scenario["workers"][0]["rss_peak_bytes"] > 1e6
    assert scenario["goals"][0]["met"] is None, "too short to be judged"


def test_a_fault_is_injected_and_what_it_costs_is_told(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    """The command breaks the app: from then on there are fallbacks, until it has run for the second time."""
    switch = bench.folder / "faults"
    script = f"open({str(switch)!r}, 'a').write('x')"
    command = shlex.join([sys.executable, "-c", script])

    def respond(_number: int, _head: bytes) -> Act:
        faults = switch.stat().st_size if switch.exists() else 0
        return Act(FALLBACK if faults == 1 else GOOD)

    words = ("--duration", "3", "--fault", command, "--fault-every", "1.4")
    status, scenario = bench.on(respond, *words)
    assert status == cli.MET
    first, second = scenario["findings"]["faults"]
    assert [first["at_s"], second["at_s"]] == pytest.approx([1.4, 2.8], abs=0.3)
    assert first["errors"] == second["errors"] == first["exit_status"] == second["exit_status"] == 0
    told = scenario["total"]["answers_by_source"]["fallback"]
    assert first["fallbacks"] + second["fallbacks"] == told
    assert first["fallbacks"] > 20
    assert first["recovered_ms"] > 500
    assert [mark["text"] for mark in scenario["marks"]] == [f"fault {number}: {command}" for number in (1, 2)]
    assert "fallbacks" in capsys.readouterr().out


def test_the_home_s_users_are_asked_about_where_no_file_is_given(bench: HttpBench) -> None:
    with StandInApp(good) as app:
        words = ("--driver", "http", "--url", app.url, *SHORT, *bench.source)
        assert cli.run(bench.parse("--home", str(bench.folder), *words)) == cli.MET
    assert {head.split(b"/")[3].split(b"?")[0] for head in app.heads} == {b"ada", b"bob"}


def test_users_of_json_lines_are_asked_about(bench: HttpBench) -> None:
    (bench.folder / "users.jsonl").write_text('{"id": "x-1", "username": "x"}\n{"id": "x-2"}\n', encoding="utf-8")
    with StandInApp(good) as app:
        assert bench.at(app, "--users", str(bench.folder / "users.jsonl"))[0] == cli.MET
    assert {head.split(b"/")[3].split(b"?")[0] for head in app.heads} == {b"x-1", b"x-2"}


def test_json_lines_without_an_id_are_named(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    (bench.folder / "users.jsonl").write_text('{"id": "x-1"}\n{"name": "x"}\n', encoding="utf-8")
    assert bench.on(good, "--users", str(bench.folder / "users.jsonl"))[0] == cli.UNUSABLE
    assert "--users: expected a JSON object with an id in line 2 of" in capsys.readouterr().err


def test_without_users_the_way_to_name_them_is_told(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    with StandInApp(good) as app:
        words = ("--driver", "http", "--url", app.url, "--home", str(bench.folder / "empty"), *SHORT)
        assert cli.run(bench.parse(*words)) == cli.UNUSABLE
    assert "argument --users: expected a file with the ids of the app's users, or --home" in capsys.readouterr().err


def test_a_url_without_a_user_needs_none(bench: HttpBench) -> None:
    with StandInApp(good) as app:
        url = f"http://localhost:{app.port}/health"
        words = ("--driver", "http", "--url", url, "--home", str(bench.folder / "empty"), *SHORT)
        assert cli.run(bench.parse(*words)) == cli.MET
    assert app.heads[0].startswith(b"GET /health HTTP/1.1")


def test_an_app_that_is_not_there_is_named(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/health"
    words = ("--driver", "http", "--url", url, *SHORT)
    assert cli.run(bench.parse("--home", str(bench.folder), *words)) == cli.NO_WORKER
    said = capsys.readouterr().err
    assert f"no app: {url}: expected a good answer (2xx) before the load, got connection_refused" in said


def test_an_app_that_knows_no_such_path_is_named(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    status, _nothing = bench.on(lambda _number, _head: Act(answer(b"no route", "404 Not Found")))
    assert status == cli.NO_WORKER
    assert "got 404 Not Found, 'no route'" in capsys.readouterr().err


def test_another_machine_is_refused(bench: HttpBench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--driver", "http", "--url", "http://192.0.2.1/", *SHORT)
    assert cli.run(bench.parse("--home", str(bench.folder), *words)) == cli.UNUSABLE
    assert "argument --url: expected an address of this machine's loopback, got 192.0.2.1" in capsys.readouterr().err


HTTP = ("--driver", "http", "--url", "http://127.0.0.1:4000/{user}")
FAULT = ("--fault", sys.executable, "--fault-every", "5")
OF_WORKERS = [
    *(("workers", "2"), ("mix", "score=1"), ("n", "5"), ("deadline", "5"), ("payload", "1k"), ("codec", "etf")),
    *(("algorithm", "ALS"), ("command", "worker")),
]
OF_HTTP = [
    *(HTTP[2:], ("--header", "a: b"), ("--connections", "2"), ("--timeout-ms", "5"), ("--allow-remote",)),
    *(FAULT[:2], FAULT[2:], ("--pid", "1")),
]
OTHER_SCENARIOS = ("retrain", "kill", "slow-reader", "garbage", "boot", "all")
CONTRADICTIONS = [
    (("--driver", "http"), "--url: expected one with --driver http, got none"),
    *(
        ((*HTTP, f"--{name}", value), f"--{name}: expected no such option with --driver http")
        for name, value in OF_WORKERS
    ),
    *(((*HTTP, "--scenario", name), "--driver http: expected --scenario") for name in OTHER_SCENARIOS),
    *((words, f"{words[0]}: expected --driver http beside it") for words in OF_HTTP),
    ((*HTTP, "--slo", "rss<1GB"), "--slo: expected --pid beside rss<1GB"),
    ((*HTTP, "--fault", sys.executable), "--fault: expected --fault-every beside it"),
    ((*HTTP, "--fault-every", "5"), "--fault-every: expected --fault beside it"),
    ((*HTTP, *FAULT, "--scenario", "ramp"), "--fault: expected --scenario steady, burst or soak, got ramp"),
    (("--driver", "http", "--url", "http://127.0.0.1/", "--cold", "5%"), "--cold: expected {user} in --url"),
]


@pytest.mark.parametrize(("words", "named"), CONTRADICTIONS)
def test_options_that_do_not_go_together_are_named(bench: HttpBench, words: tuple[str, ...], named: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        chosen(bench.parse(*words))
    assert f"argument {named}" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--header", text) for text in ("Authorization", "Host: x")),
        *(("--connections", text) for text in ("0", "1001", "x")),
        *(("--timeout-ms", text) for text in ("0", "x")),
        *(("--fault", text) for text in ("", "no-such-program -x", "'")),
        *(("--fault-every", text) for text in ("0", "x")),
        *(("--pid", text) for text in ("0", "x")),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(
    bench: HttpBench, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.parse(f"{option}={value}")
    assert caught.value.code == cli.UNUSABLE
    said = capsys.readouterr().err
    assert f"argument {option}: expected" in said
    assert repr(value) in said


def test_a_report_does_not_tell_what_a_header_says() -> None:
    typed = [
        "--url",
        "http://127.0.0.1/",
        "--header",
        "Authorization: Bearer secret",
        "--header=X-Key: secret",
        "--rate",
        "5",
    ]
    told = without_secrets(typed)
    assert told == [
        "--url",
        "http://127.0.0.1/",
        "--header",
        "Authorization: ...",
        "--header=X-Key: ...",
        "--rate",
        "5",
    ]
    assert json.dumps(told).count("secret") == 0
