"""The bench of sources: its goals, its JSON, its exit statuses. How fast anything is, no test asks."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli as bench
from port_worker.bench import postgresql
from port_worker.bench.sources import cli
from port_worker.bench.sources.extract import FETCHALL, OURS, PANDAS, Extracted
from port_worker.bench.sources.retrains import Phases
from port_worker.bench.sources.summary import summarize
from tests.peers.stubs import ENVIRONMENT

MILLION = 10**6


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.set_defaults(run=bench.run)
    bench.configure(parser)
    args = parser.parse_args(["sources", *words])
    status: int = args.run(args)
    return status


def extracted(rows: int = 10 * MILLION, seconds: float = 10.0, peak: int | None = 500 * MILLION) -> Extracted:
    return Extracted(rows, rows, seconds, peak, 100 * MILLION, 200 * MILLION)


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        (extracted(), [True, True, True]),
        (extracted(seconds=20.1), [False, True, True]),
        (extracted(peak=601 * MILLION), [True, False, True]),
        (extracted(peak=None), [True, None, True]),
        (extracted(rows=10 * MILLION - 1), [True, True, False]),
    ],
)
def test_goals(ours: Extracted, met: list[bool | None]) -> None:
    found = summarize({OURS: [ours], PANDAS: [extracted(seconds=40)]}, 10 * MILLION)
    assert [goal["met"] for goal in found["goals"]] == met
    assert found["goals_met"] == (False not in met)
    assert found["ways"][PANDAS]["times"] == pytest.approx(4.0 * 10 / ours.seconds, rel=1e-3)


def test_a_small_run_judges_neither_speed_nor_memory() -> None:
    found = summarize({OURS: [extracted(rows=1000, peak=10**9)]}, 1000)
    assert [goal["met"] for goal in found["goals"]] == [None, None, True]


def test_the_time_of_a_phase_runs_until_the_next_is_heard() -> None:
    times = iter([10.0, 11.0, 14.0, 20.0])
    phases = Phases(lambda: next(times))
    phases.begin()
    for name in ("extract", "extract", "fit"):
        phases.hear({"phase": name})
    phases.end()
    assert phases.seconds == {"start": 1.0, "extract": 3.0, "fit": 6.0}


def test_a_run_extracts_every_row_by_every_way_and_trains_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not postgresql.is_installed() and os.environ.get("CI") != "true":
        pytest.skip("the package `pgserver` is not installed")
    pytest.importorskip("pandas")
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    path = tmp_path / "result.json"
    assert run("--rows", "2000", "--retrain", "ALS", "--json", str(path)) == cli.MET
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["ways"].keys() == {OURS, PANDAS, FETCHALL}
    assert {one["runs"][0]["rows"] for one in found["ways"].values()} == {2000}
    ours = found["ways"][OURS]["runs"][0]
    assert 1800 < ours["kept"] < 2000  # a twentieth of the items is not public
    assert ours["columns_bytes"] > 20 * ours["kept"]
    [retrain] = found["retrains"]
    assert retrain["result"]["rows"] == ours["kept"]
    assert retrain["phases"].keys() >= {"start", "extract", "fit", "load"}
    assert retrain["seconds"] == pytest.approx(sum(retrain["phases"].values()))
    shown = capsys.readouterr().out
    assert "seconds of a retrain ┃" in shown
    assert "every way reads every row: 2,000, met" in shown
    assert FETCHALL in shown


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that anybody may enter, as PostgreSQL does not run as root; pytest's are the user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_bench_that_is_told_to_end_leaves_no_server(open_folder: Path) -> None:
    if not postgresql.is_installed() and os.environ.get("CI") != "true":
        pytest.skip("the package `pgserver` is not installed")
    running = subprocess.Popen(
        [sys.executable, "-m", "port_worker", "bench", "sources", "--rows", "1000000"],
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "TMPDIR": str(open_folder)},
    )
    assert running.stderr is not None
    assert "writing 1,000,000 interactions" in running.stderr.readline()
    running.terminate()
    running.communicate(timeout=60)
    assert running.returncode == cli.INTERRUPTED
    assert list(open_folder.iterdir()) == []


def test_without_postgresql_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(postgresql, "find_spec", lambda _name: None)
    assert run("--quick") == cli.FAILED
    assert "`pgserver`, a development tool, is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rows", "0"], ["--rows", "x"], ["--rounds", "-1"], ["--retrain", "ALZ"]])
def test_unusable_arguments(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == cli.UNUSABLE
