"""The program against stub workers: exit statuses, the JSON, and that it never hangs."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli, prepare
from tests.peers.stubs import ENVIRONMENT, ROOT, stub_command

KEYS = {"rate_offered", "rate_achieved", "sent", "ok", "errors", "errors_by_code", "error_rate", "latency_ms"}


class Bench:
    """Runs the program's own entry with stub workers in place of real ones."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.patch = patch
        self.patch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
        (folder / "rows.csv").write_text("user,item,label,time\nada,m1,1,1\nbob,m2,1,2\n", encoding="utf-8")

    def parse(self, *words: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog="bench")
        cli.configure(parser)
        return parser.parse_args(words)

    def run(self, *words: str, **faults: Any) -> int:
        self.patch.setattr(prepare, "worker_command", lambda *_args, **_options: stub_command(**faults))
        basics = ("--home", str(self.folder), "--source", str(self.folder / "rows.csv"), "--rate", "100")
        return cli.run(self.parse(*basics, "--warmup", "0.1", "--duration", "1", *words))

    def summary(self, *words: str, **faults: Any) -> tuple[int, dict[str, Any]]:
        path = self.folder / "result.json"
        status = self.run("--json", str(path), *words, **faults)
        return status, json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_good_run_exits_with_0_and_says_everything(bench: Bench) -> None:
    status, summary = bench.summary("--slo", "errors<=0", delay_ms=2)
    assert status == cli.MET
    assert summary.keys() >= KEYS
    assert (summary["sent"], summary["ok"], summary["errors"], summary["error_rate"]) == (100, 100, 0, 0.0)
    assert summary["rate_offered"] == 100.0
    assert summary["latency_ms"].keys() == {"p50", "p90", "p99", "p999", "max"}
    assert summary["latency_ms"]["p50"] >= 2.0
    assert summary["worker"]["rss_bytes"] == 1000
    assert summary["slo"] == [{"expression": "errors<=0", "observed": 0.0, "met": True}]
    assert summary["machine"]["processors"] == os.cpu_count()


def test_the_worker_and_its_driver_may_speak_msgpack(bench: Bench) -> None:
    status, summary = bench.summary("--codec", "msgpack", "--slo", "errors<=0", codec="msgpack")
    assert status == cli.MET
    assert (summary["ok"], summary["workload"]["codec"]) == (100, "msgpack")


def test_the_codec_is_the_drivers_too(bench: Bench) -> None:
    assert bench.run("--codec", "msgpack", codec="etf") == cli.NO_WORKER


def test_a_breached_objective_exits_with_99(bench: Bench) -> None:
    status, summary = bench.summary("--slo", "p99<1us", "--slo", "errors<100%")
    assert status == cli.BREACHED
    assert [verdict["met"] for verdict in summary["slo"]] == [False, True]


def test_a_stall_is_seen_from_the_due_times(bench: Bench) -> None:
    """300 ms at 100 calls a second: the call that is due 10 k ms after the stall's beginning waits 300 - 10 k ms."""
    _status, summary = bench.summary(stall={"at": 50, "ms": 300})
    assert summary["latency_ms"]["max"] >= 300
    assert summary["latency_ms"]["p90"] >= 200


def test_errors_breach_the_default_objectives(bench: Bench) -> None:
    status, summary = bench.summary(error_every=10, error_code="overloaded")
    assert status == cli.BREACHED
    assert summary["errors_by_code"] == {"overloaded": summary["errors"]}
    assert summary["errors"] == 10


def test_death_in_the_run_breaches_and_is_counted(bench: Bench) -> None:
    status, summary = bench.summary(die_after=60)
    assert status == cli.BREACHED
    assert summary["ok"] + summary["errors"] == 100
    assert summary["errors_by_code"]["worker_gone"] >= 1
    assert summary["worker"] is None


def test_without_any_answer_there_is_no_latency(bench: Bench) -> None:
    status, summary = bench.summary(die_after=1)
    assert status == cli.BREACHED
    assert summary["latency_ms"] is None
    assert summary["error_rate"] == 1.0


def test_strangers_are_told_apart_in_the_summary(bench: Bench) -> None:
    _status, summary = bench.summary("--cold", "1")
    assert summary["answers_by_source"] == {"popular": 100}


def test_a_worker_without_a_model_is_trained_first(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    status, summary = bench.summary(model=False)
    assert status == cli.MET
    assert "training a model: fit" in capsys.readouterr().err
    assert "retrain" not in summary


def test_a_retrain_in_the_middle_is_reported_by_phase(bench: Bench) -> None:
    status, summary = bench.summary("--retrain", retrain_answers=40)
    assert status == cli.MET
    phases = summary["retrain"]["phases"]
    assert sum(phase["ok"] for phase in phases.values()) == summary["ok"]
    assert phases["during"]["ok"] >= 30
    assert summary["retrain"]["result"]["rows"] == 10


def test_the_scenario_trains_beside_what_serves_and_judges_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    status, summary = bench.summary("--scenario", "retrain", "--slo", "errors<100%", retrain_answers=40)
    ratio, errors = summary["goals"]
    phases = summary["retrain"]["phases"]
    times = phases["during"]["latency_ms"]["p99"] / phases["before"]["latency_ms"]["p99"]
    assert (ratio["observed"], ratio["met"]) == (f"{times:.2f} times", times <= 2.0)
    assert (errors["text"], errors["observed"], errors["met"]) == ("no errors", "0", True)
    assert status == (cli.MET if ratio["met"] else cli.BREACHED)
    assert "goal p99 during the retrain at most 2 times that before: " in capsys.readouterr().out


def test_an_error_breaches_the_scenario_and_a_retrain_that_fails_is_not_judged(bench: Bench) -> None:
    status, summary = bench.summary(
        "--scenario", "retrain", "--slo", "errors<100%", error_every=20, error_code="internal", retrain_answers=40
    )
    assert (status, summary["goals"][1]["met"]) == (cli.BREACHED, False)
    status, summary = bench.summary("--scenario", "retrain", "--slo", "errors<100%", retrain_error="training_failed")
    assert (status, summary["goals"][0]["met"]) == (cli.BREACHED, None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), None),
        (("--retrain",), {}),
        (("--retrain", "BPR"), {"algorithm": "BPR"}),
        (("--retrain", "--algorithm", "SVD"), {"algorithm": "SVD"}),
        (("--scenario", "retrain", "--algorithm", "SVD"), {"algorithm": "DeepFM", "activate": "never"}),
        (("--scenario", "retrain", "--retrain", "FM"), {"algorithm": "FM", "activate": "never"}),
    ],
)
def test_what_is_trained_in_the_middle(bench: Bench, words: tuple[str, ...], expected: dict[str, str] | None) -> None:
    assert cli._retrain_args(bench.parse(*words)) == expected


def test_a_retrain_that_fails_breaches(bench: Bench) -> None:
    status, summary = bench.summary("--retrain", "--slo", "errors<100%", retrain_error="training_failed")
    assert status == cli.BREACHED
    assert summary["retrain"]["error"]["code"] == "training_failed"


def test_json_on_stdout_is_alone_there(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run("--json", "-") == cli.MET
    captured = capsys.readouterr()
    assert json.loads(captured.out)["ok"] == 100
    assert "slo p99<500ms: met" in captured.err


def test_the_table_is_for_stdout_otherwise(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run("--retrain", error_every=50, error_code="internal") == cli.MET
    shown = capsys.readouterr().out
    for text in (
        "achieved/s",
        "p99.9",
        "before the retrain",
        "error internal: ",
        "retrain: done",
        "slo errors<5%: met",
    ):
        assert text in shown


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
    "words", [("--source", "./absent.csv"), ("--source", "what.is.this"), ("--json", "./no/such/folder/x")]
)
def test_paths_that_cannot_be_used(bench: Bench, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(*words) == cli.UNUSABLE
    assert Path(words[1]).name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "0"),
        ("--rate", "nan"),
        ("--rate", "fast"),
        ("--duration", "-1"),
        ("--duration", "inf"),
        ("--warmup", "-0.5"),
        ("--n", "0"),
        ("--n", "1000000000"),
        ("--n", "ten"),
        ("--users", "0"),
        ("--cold", "1.5"),
        ("--deadline", "0"),
        ("--slo", "p99<5"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(
    bench: Bench, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.parse(f"{option}={value}")
    assert caught.value.code == cli.UNUSABLE
    said = capsys.readouterr().err
    assert f"argument {option}: expected" in said
    assert repr(value) in said


def test_help_needs_the_standard_library_only() -> None:
    code = (
        "import argparse, sys; from port_worker.bench import cli; cli.configure(argparse.ArgumentParser());"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    command = [sys.executable, "-S", "-c", code]
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['port_worker']"
