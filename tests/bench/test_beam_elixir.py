"""A load that a real BEAM makes of stub workers. CI installs Elixir before it runs this."""

from __future__ import annotations

import shutil
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench.beam import toolchain
from port_worker.bench.beam.drive import Tick, command, drive
from port_worker.bench.beam.plan import Ask, Closed, Plan, Worker
from port_worker.bench.beam.run import measure
from port_worker.bench.beam.samples import Samples
from port_worker.bench.beam.summing import Window
from port_worker.host import WorkerGone
from tests.peers.stubs import ENVIRONMENT, stub_command

MS = 1_000_000
ASKS: list[Ask] = [("recommend", {"user": "a", "n": 3}), ("recommend", {"user": "unknown-b", "n": 3})]

pytestmark = pytest.mark.skipif(shutil.which("elixirc") is None, reason="Elixir is not installed")


@pytest.fixture(scope="module")
def ebin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toolchain.compiled(tmp_path_factory.mktemp("elixir"))


def stub(**faults: Any) -> Worker:
    return Worker(stub_command(**faults), {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]})


def dues(calls: int, gap_ns: int = MS // 2) -> array[int]:
    return array("q", [k * gap_ns for k in range(calls)])


def endings(samples: Samples) -> Counter[str | None]:
    return Counter(samples.outcomes[number].name for number in samples.outcome.tolist())


def test_every_call_of_an_open_loop_is_made_and_answered(ebin: Path) -> None:
    ready: list[tuple[int, ...]] = []
    plan = Plan([stub(delay_ms=2)], ASKS, dues(60))
    samples = drive(command(ebin), plan, on_ready=ready.append)
    assert endings(samples) == {"model": 30, "popular": 30}
    assert (samples.lag_ns >= 0).all()
    assert (samples.latency_ns - samples.lag_ns >= 2 * MS).all()
    [(pid,)] = ready
    assert pid > 0
    assert samples.before == samples.after == [{"rss_bytes": 1000, "state": "ready", "heavy_modules": []}]
    assert 0.0 <= samples.beam.busy <= 1.0
    assert samples.beam.elapsed_ns > plan.end_ns


def test_a_run_is_summed_up_by_phase_and_second(ebin: Path) -> None:
    plan = Plan([stub()], ASKS, dues(600, 4 * MS))
    half, end = 1_200 * MS, 2_400 * MS
    ticks: list[Tick] = []
    windows = [Window("first", 200 * MS, half), Window("second", half, end)]
    measured, _samples = measure(plan, ["recommend", "similar"], windows, ebin.parent, ticks.append)
    assert [{name: cell.ok for name, cell in phase.cells.items()} for phase in measured.phases] == [
        {"recommend": 125, "similar": 125},
        {"recommend": 150, "similar": 150},
    ]
    assert [row.offered for row in measured.rows] == [250, 250, 50]
    assert len(ticks) >= 2
    [worker] = measured.workers
    assert worker["pid"] == ticks[0].pids[0] > 0
    assert worker["rss_peak_bytes"] >= worker["rss_bytes"] > 1_000_000


def test_a_closed_loop_has_one_call_at_a_time_for_each_caller(ebin: Path) -> None:
    samples = drive(command(ebin), Plan([stub(delay_ms=2)], ASKS, closed=Closed(2, 0.2)))
    assert set(endings(samples)) == {"model", "popular"}
    assert samples.due_ns.max() < 200 * MS
    for call in range(len(samples.due_ns)):
        due, end = samples.due_ns[call], samples.due_ns[call] + samples.latency_ns[call]
        together = (samples.due_ns < end) & (samples.due_ns + samples.latency_ns > due)
        assert (samples.due_ns[together] <= due).sum() <= 2


def test_errors_and_a_worker_that_dies_are_outcomes_of_calls(ebin: Path) -> None:
    faults = {"error_every": 4, "error_code": "overloaded", "die_after": 10}
    samples = drive(command(ebin), Plan([stub(**faults)], ASKS, dues(40)))
    found = endings(samples)
    assert found["overloaded"] >= 2
    assert found["worker_down"] >= 1
    assert found.total() == 40


def test_calls_go_to_several_workers_in_turn(ebin: Path) -> None:
    workers = [stub(), stub(error_every=1, error_code="internal")]
    samples = drive(command(ebin), Plan(workers, ASKS[:1], dues(20)))
    assert [samples.outcomes[number].name for number in samples.outcome.tolist()] == ["model", "internal"] * 10


def test_a_call_whose_deadline_passes_is_over(ebin: Path) -> None:
    samples = drive(command(ebin), Plan([stub(silent_after=0)], ASKS, dues(5), deadline_ms=50, grace_s=60.0))
    assert endings(samples) == {"deadline_exceeded": 5}
    assert (samples.latency_ns >= 50 * MS).all()


def test_a_worker_that_does_not_start_is_said_as_such(ebin: Path) -> None:
    with pytest.raises(WorkerGone, match="did not say hello within 300 ms"):
        drive(command(ebin), Plan([stub(mute=True)], ASKS, dues(1), boot_s=0.3))


def test_what_is_compiled_is_kept_until_the_client_changes(ebin: Path, tmp_path: Path) -> None:
    assert toolchain.compiled(ebin.parent) == ebin
    client = tmp_path / "client"
    shutil.copytree(toolchain.CLIENT / "lib", client / "lib")
    (client / "lib" / "port_worker" / "error.ex").write_text("defmodule", encoding="utf-8")
    with pytest.raises(toolchain.BeamError, match="elixirc ended with status 1"):
        toolchain.compiled(ebin.parent, client)
    assert list(ebin.parent.iterdir()) == [ebin]
