"""The program against stub workers: exit statuses, the report, and that it never hangs."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli
from port_worker.bench.resolved import chosen
from port_worker.bench.scenarios.catalogue import SCENARIOS
from tests.bench.programs import SHORT, Bench
from tests.peers.stubs import ENVIRONMENT, ROOT, stub_command

PHASE_KEYS = {
    *("name", "duration_s", "offered", "sent", "not_sent", "ok", "errors", "errors_by_code", "error_rate"),
    *("rate_offered", "rate_achieved", "latency_ms", "uncorrected_ms", "answers_by_source", "histogram"),
    "uncorrected_histogram",
}
LATENCY_KEYS = {"count", "mean", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "max"}


def test_a_good_run_exits_with_0_and_says_everything(bench: Bench) -> None:
    status, report = bench.report("--slo", "errors<=0", delay_ms=2)
    assert status == cli.MET
    assert report["met"] is True
    assert report["schema"] == "port_worker.bench/1"
    assert report["machine"]["processors"] == os.cpu_count()
    assert report["worker"]["version"] == "0.0.0"
    assert report["slo"] == [{"scenario": "steady", "expression": "errors<=0", "observed": 0.0, "met": True}]
    (scenario,) = report["scenarios"]
    assert (scenario["name"], scenario["driver"], scenario["by_op"]) == ("steady", "python", {})
    total = scenario["total"]
    assert total.keys() == PHASE_KEYS
    assert total["latency_ms"].keys() == total["uncorrected_ms"].keys() == LATENCY_KEYS
    assert (total["offered"], total["sent"], total["ok"], total["errors"]) == (100, 100, 100, 0)
    assert total["rate_offered"] == 100.0
    assert total["latency_ms"]["p50"] >= 2.0
    assert [phase["name"] for phase in scenario["phases"]] == ["measured"]


def test_the_series_and_the_workers_are_there(bench: Bench) -> None:
    _status, scenario = bench.scenario("--duration", "2.5", "--workers", "2")
    series = scenario["series"]
    assert series["at_s"] == [0.0, 1.0, 2.0]
    assert series["offered"] == series["ok"] == [100, 100, 50]
    assert all(len(held) == 2 and min(held) > 1e6 for held in series["rss_bytes"])
    assert len(series["cpu"]) == 3
    pids = [worker["pid"] for worker in scenario["workers"]]
    assert len(set(pids)) == 2
    assert all(worker["rss_peak_bytes"] >= worker["rss_bytes"] > 1e6 for worker in scenario["workers"])


def test_the_options_of_a_run_are_told(bench: Bench) -> None:
    words = ("--cold", "50%", "--mix", "recommend=3,score=1", "--payload", "0,1k", "--deadline", "5000", "--n", "5")
    _status, scenario = bench.scenario(*words, "--arrivals", "poisson")
    options = scenario["options"]
    assert options["mix"] == {"recommend": 0.75, "score": 0.25}
    assert (options["cold"], options["payload_bytes"], options["deadline_ms"]) == (0.5, [0, 1024], 5000)
    assert (options["arrivals"], options["in_flight"], options["users"]) == ("poisson", None, "uniform")
    assert options["known_users"] == 2
    assert scenario["by_op"].keys() == {"recommend", "score"}
    assert sum(phase["ok"] for phase in scenario["by_op"].values()) == scenario["total"]["ok"]


def test_a_closed_loop_has_no_rate_of_its_own(bench: Bench) -> None:
    self = bench.parse("--closed", "--in-flight", "4")
    (plan,) = chosen(self)
    assert (plan.options.rate, plan.options.arrivals, plan.options.in_flight) == (None, "closed", 4)


def test_a_closed_loop_is_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.programs.SHORT", ("--warmup", "0.1", "--duration", "1"))
    status, scenario = bench.scenario("--closed", "--in-flight", "2", delay_ms=10)
    assert status == cli.MET
    assert 50 <= scenario["total"]["ok"] <= 110
    assert scenario["total"]["rate_offered"] is None
    assert scenario["total"]["uncorrected_ms"]["count"] == scenario["total"]["ok"]


def test_the_users_of_a_file_are_asked_about(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("unknown-1\n\nunknown-2\n", encoding="utf-8")
    _status, scenario = bench.scenario("--users", str(tmp_path / "users.txt"))
    assert scenario["total"]["answers_by_source"] == {"popular": 100}


def test_another_make_of_worker_is_driven_by_its_command(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("7\n8\n", encoding="utf-8")
    home = ("--home", str(tmp_path / "empty"), "--command", shlex.join(stub_command(delay_ms=1, model=False)))
    words = (*home, *SHORT, "--users", str(tmp_path / "users.txt"), "--json", str(tmp_path / "result.json"))
    assert cli.run(bench.parse(*words)) == cli.MET
    report = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert report["worker"]["version"] == "0.0.0"
    assert report["scenarios"][0]["total"]["ok"] == 100  # and nothing was trained first


def test_whom_another_make_of_worker_knows_has_to_be_said(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--home", str(bench.folder / "empty"), "--command", shlex.join(stub_command()), *SHORT)
    assert cli.run(bench.parse(*words)) == cli.UNUSABLE
    assert "argument --command: expected --users FILE, or" in capsys.readouterr().err


def test_a_command_that_does_not_start_is_no_worker(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(bench.parse("--home", str(bench.folder), "--command", "/no/such/worker", *SHORT)) == cli.NO_WORKER
    assert "/no/such/worker" in capsys.readouterr().err


def test_the_worker_and_its_driver_may_speak_msgpack(bench: Bench) -> None:
    status, scenario = bench.scenario("--codec", "msgpack", "--slo", "errors<=0", codec="msgpack")
    assert status == cli.MET
    assert (scenario["total"]["ok"], scenario["options"]["codec"]) == (100, "msgpack")


def test_the_codec_is_the_drivers_too(bench: Bench) -> None:
    assert bench.run("--codec", "msgpack", codec="etf") == cli.NO_WORKER


def test_a_breached_objective_exits_with_99(bench: Bench) -> None:
    status, report = bench.report("--slo", "p99<1us", "--slo", "errors<100%")
    assert status == cli.BREACHED
    assert report["met"] is False
    assert [verdict["met"] for verdict in report["slo"]] == [False, True]


def test_a_stall_is_seen_from_the_due_times(bench: Bench) -> None:
    """300 ms at 100 calls a second: the call that is due 10 k ms after the stall's beginning waits 300 - 10 k ms."""
    _status, scenario = bench.scenario(stall={"at": 50, "ms": 300})
    corrected, uncorrected = scenario["total"]["latency_ms"], scenario["total"]["uncorrected_ms"]
    assert corrected["max"] >= 300
    assert corrected["p90"] >= 150  # 200, were the driver never late
    assert uncorrected["max"] >= 300
    assert uncorrected["count"] <= corrected["count"] - 15


def test_errors_breach_the_default_objectives(bench: Bench) -> None:
    status, scenario = bench.scenario(error_every=10, error_code="overloaded")
    assert status == cli.BREACHED
    assert scenario["total"]["errors_by_code"] == {"overloaded": scenario["total"]["errors"]}
    assert scenario["total"]["errors"] == sum(scenario["series"]["errors"]) == 10


def test_death_in_the_run_breaches_and_is_counted(bench: Bench) -> None:
    status, scenario = bench.scenario(die_after=60)
    total = scenario["total"]
    assert status == cli.BREACHED
    assert total["ok"] + total["errors"] == total["offered"] == 100
    assert total["errors_by_code"]["worker_gone"] >= 1
    assert total["not_sent"] == total["errors_by_code"]["not_sent"]


def test_without_any_answer_there_is_no_latency(bench: Bench) -> None:
    status, scenario = bench.scenario(die_after=1)
    assert status == cli.BREACHED
    assert scenario["total"]["latency_ms"] is None
    assert scenario["total"]["error_rate"] == 1.0


def test_strangers_are_told_apart(bench: Bench) -> None:
    _status, scenario = bench.scenario("--cold", "1")
    assert scenario["total"]["answers_by_source"] == {"popular": 100}


def test_a_worker_without_a_model_is_trained_first(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(model=False) == cli.MET
    assert "training a model: fit" in capsys.readouterr().err


def test_a_retrain_is_reported_by_phase_and_judged(bench: Bench) -> None:
    status, scenario = bench.scenario("--scenario", "retrain", "--retrain", "BPR", retrain_answers=40)
    phases = {phase["name"]: phase for phase in scenario["phases"]}
    assert list(phases) == ["before", "during", "after"]
    assert phases["during"]["ok"] >= 30
    assert phases["before"]["ok"] == 50
    assert scenario["findings"]["args"] == {"algorithm": "BPR", "activate": "never"}
    assert scenario["findings"]["result"]["rows"] == 10
    assert [mark["text"] for mark in scenario["marks"]] == ["retrain began", "retrain ended"]
    succeeds, ratio, errors = scenario["goals"]
    times = phases["during"]["latency_ms"]["p99"] / phases["before"]["latency_ms"]["p99"]
    assert (ratio["observed"], ratio["met"]) == (f"{times:.2f} times", times <= 2.0)
    assert succeeds["met"]
    assert errors["met"]
    assert status == (cli.MET if ratio["met"] else cli.BREACHED)


def test_a_retrain_that_fails_breaches_and_its_latency_is_not_judged(bench: Bench) -> None:
    status, scenario = bench.scenario("--scenario", "retrain", retrain_error="training_failed")
    assert status == cli.BREACHED
    assert [goal["met"] for goal in scenario["goals"]] == [False, None, True]
    assert scenario["findings"]["error"]["code"] == "training_failed"


def test_death_ends_a_retrain_too(bench: Bench) -> None:
    status, scenario = bench.scenario("--scenario", "retrain", die_after=80, retrain_answers=1000)
    assert status == cli.BREACHED
    assert scenario["findings"]["error"]["code"] == "worker_gone"


def test_json_on_stdout_is_alone_there(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run("--json", "-") == cli.MET
    captured = capsys.readouterr()
    assert json.loads(captured.out)["scenarios"][0]["total"]["ok"] == 100
    assert "p99<500ms" in captured.err


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ({"garbage": True}, cli.NO_WORKER),
        ({"model": False, "retrain_error": "training_failed"}, cli.NO_WORKER),
        ({"model": False, "retrain_error": "unknown_algorithm"}, cli.UNUSABLE),
        ({"model": False, "retrain_error": "source_invalid_row"}, cli.UNUSABLE),
    ],
)
def test_what_cannot_be_driven(bench: Bench, faults: dict[str, Any], status: int) -> None:
    assert bench.run(**faults) == status


@pytest.mark.parametrize(
    "words",
    [
        ("--source", "./absent.csv"),
        ("--source", "what.is.this"),
        ("--json", "./no/such/folder/x"),
        ("--html", "./no/such/folder/x"),
        ("--hgrm", "./no/such/folder/x"),
    ],
)
def test_paths_that_cannot_be_used(bench: Bench, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(*words) == cli.UNUSABLE
    said = capsys.readouterr().err
    assert Path(words[1]).name in said
    assert words[0] == "--source" or f"argument {words[0]}: expected a file that can be written" in said


@pytest.mark.parametrize("text", ["", "12\nx1\n"])
def test_a_file_of_users_that_cannot_be_used_is_named(
    bench: Bench, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.folder / "rows.csv").write_text("user,item,label,time\n1,5,1,1\n2,6,1,2\n", encoding="utf-8")
    (bench.folder / "users.txt").write_text(text, encoding="utf-8")
    assert bench.run("--users", str(bench.folder / "users.txt")) == cli.UNUSABLE
    said = capsys.readouterr().err
    assert "--users: expected" in said
    assert "users.txt" in said


UNUSABLE = [
    *(("--rate", text) for text in ("0", "nan", "fast", "1e7", "-3")),
    *(("--duration", text) for text in ("-1", "0", "inf")),
    *(("--warmup", text) for text in ("-0.5", "soon")),
    *(("--n", text) for text in ("0", "1000000000", "ten")),
    *(("--in-flight", text) for text in ("0", "4097", "many")),
    *(("--workers", text) for text in ("0", "1.5", "1000")),
    *(("--users", text) for text in ("zipf:", "zipf:0", "zipf:-1", "zipf:nan", "./absent.txt", ".", "")),
    *(("--known-users", text) for text in ("0", "all")),
    *(("--cold", text) for text in ("1.5", "-1%", "101%", "nan", "%", "some")),
    *(("--mix", text) for text in ("", "recommend", "recommend=", "recommend=x", "recommend=-1", "recommend=0")),
    *(("--mix", text) for text in ("browse=1", "recommend=1,recommend=2", "recommend=inf", "recommend=nan,score=1")),
    *(("--deadline", text) for text in ("0", "1.5")),
    *(("--payload", text) for text in ("", "-1", "1g", "961k", "1k,,2k", "large")),
    *(("--command", text) for text in ("", "  ", "worker 'open")),
    *(("--seed", text) for text in ("-1", "x")),
    *(("--slo", text) for text in ("p99<5", "p99", "swift")),
    *(("--precision", text) for text in ("0", "200%")),
    *(("--times", text) for text in ("1", "0", "x")),
    *(("--count", text) for text in ("0", "x")),
    *(("--pause", text) for text in ("0", "-1")),
    *(("--garbage", text) for text in ("0", "110%")),
]


@pytest.mark.parametrize(("option", "value"), UNUSABLE)
def test_an_argument_that_cannot_be_used_is_named(
    bench: Bench, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.parse(f"{option}={value}")
    assert caught.value.code == cli.UNUSABLE
    said = capsys.readouterr().err
    assert f"argument {option}: expected" in said
    assert repr(value) in said


@pytest.mark.parametrize("option", ["--arrivals", "--scenario", "--driver", "--codec", "--activate"])
def test_a_choice_that_there_is_not_is_refused(bench: Bench, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.parse(option, "nonsense")
    assert caught.value.code == cli.UNUSABLE
    assert f"argument {option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--in-flight", "4"), "--in-flight"),
        (("--closed", "--rate", "5"), "--closed"),
        (("--closed", "--arrivals", "poisson"), "--closed"),
        (("--closed", "--scenario", "ramp"), "--closed"),
        (("--times", "3"), "--times"),
        (("--known-users", "3", "--users", __file__), "--known-users"),
        (("--scenario", "boot", "--pause", "3"), "--pause"),
        (("--scenario", "kill", "--retrain", "ALS"), "--retrain"),
        (("--scenario", "kill", "--driver", "elixir"), "--driver elixir"),
        (("--codec", "msgpack", "--driver", "elixir"), "--driver elixir"),
    ],
)
def test_options_that_do_not_go_together_are_named(bench: Bench, words: tuple[str, ...], named: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        chosen(bench.parse(*words))
    assert f"argument {named}: " in str(caught.value)


def test_they_end_the_program_with_2(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run("--in-flight", "4") == cli.UNUSABLE
    assert "argument --in-flight: expected --closed beside it" in capsys.readouterr().err


def test_each_scenario_has_its_defaults_and_takes_what_was_typed(bench: Bench) -> None:
    (kill,) = chosen(bench.parse("--scenario", "kill", "--count", "9"))
    assert (kill.options.deadline_ms, kill.own) == (1000, {"count": 9})
    (ramp,) = chosen(bench.parse("--scenario", "ramp", "--rate", "50", "--slo", "p99<50ms"))
    assert (ramp.options.rate, ramp.options.duration_s) == (50.0, 5.0)
    assert [one.expression for one in ramp.judged_by] == ["p99<50ms"]


def test_faults_on_purpose_are_not_judged_by_default_objectives(bench: Bench) -> None:
    (kill,) = chosen(bench.parse("--scenario", "kill"))
    assert not kill.judged_by
    (kill,) = chosen(bench.parse("--scenario", "kill", "--slo", "errors<50%"))
    assert len(kill.judged_by) == 1


def test_all_is_every_scenario_and_shorter(bench: Bench) -> None:
    plans = {plan.name: plan for plan in chosen(bench.parse("--scenario", "all", "--slo", "errors<50%"))}
    assert list(plans) == list(SCENARIOS)
    assert plans["soak"].options.duration_s < 60
    assert not plans["slow-reader"].judged_by
    assert plans["steady"].judged_by


def test_a_report_of_several_scenarios_is_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {name: SCENARIOS[name] for name in ("steady", "burst")}
    monkeypatch.setattr("port_worker.bench.resolved.SCENARIOS", entries)
    status, report = bench.report("--scenario", "all", "--times", "2", "--slo", "errors<=0")
    assert status == (cli.MET if report["met"] else cli.BREACHED)
    assert [scenario["name"] for scenario in report["scenarios"]] == ["steady", "burst"]
    assert [verdict["scenario"] for verdict in report["slo"]] == ["steady", "burst"]


def test_help_shows_every_scenario(capsys: pytest.CaptureFixture[str], bench: Bench) -> None:
    with pytest.raises(SystemExit):
        bench.parse("--help")
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in SCENARIOS)


def test_help_needs_the_standard_library_only() -> None:
    code = (
        "import argparse, sys; from port_worker.bench import cli; cli.configure(argparse.ArgumentParser());"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    command = [sys.executable, "-S", "-c", code]
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['port_worker']"


def test_each_scenario_has_its_module() -> None:
    for name in SCENARIOS:
        assert (ROOT / "port_worker" / "bench" / "scenarios" / f"{name.replace('-', '_')}.py").is_file()


def test_the_parser_knows_every_option_of_a_scenario() -> None:
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    known = vars(parser.parse_args([]))
    assert all(option in known for entry in SCENARIOS.values() for option in entry.defaults)
