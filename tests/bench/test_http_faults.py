"""A command that is run beside a load, on a clock that stands still until the load waits."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import pytest

from port_worker.bench.http.faults import Fault, FaultInjection
from port_worker.bench.load import Load
from port_worker.bench.stages import NS
from tests.bench.fake_workers import MS, FakeWorkers, drive, steady


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def injecting(fault: FaultInjection, workers: FakeWorkers, seconds: float) -> Load:
    """A load of so many seconds; where a command runs, time passes only when it has ended."""

    def clock() -> int:
        running = fault._running
        if running is not None:
            running.wait(30)
        return workers.now

    workers.clock = clock  # type: ignore[method-assign]
    return drive(workers, steady(100.0, seconds, warmup_s=0.5), [fault])


def test_the_command_runs_each_so_many_seconds_of_what_is_measured(tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = python(f"open({str(count)!r}, 'a').write('x')")
    with FaultInjection(Fault(command, 1.0)) as fault:
        load = injecting(fault, FakeWorkers(lambda _k, _now: MS), 3.5)
    assert count.read_text() == "xxx"
    assert [one.at_ns / NS for one in fault.injected] == pytest.approx([1, 2, 3], abs=0.15)
    assert [one.status for one in fault.injected] == [0, 0, 0]
    assert [text for _at, text in load.marks] == [f"fault {number}: {shlex.join(command)}" for number in (1, 2, 3)]


def test_what_ends_badly_is_counted_for_the_fault_before_it() -> None:
    """Of 100 calls a second, those of the 200 ms behind the first fault fail."""
    workers = FakeWorkers(lambda _k, _now: 2 * MS)
    workers.failing = dict.fromkeys(range(160, 180), "overloaded") | {10: "internal"}
    with FaultInjection(Fault(python("pass"), 1.0)) as fault:
        injecting(fault, workers, 2.5)
    first, second = (one.facts() for one in fault.injected)
    assert (first["errors"], first["fallbacks"], second["errors"]) == (20, 0, 0)
    assert first["recovered_ms"] == pytest.approx(300, abs=120)
    assert second["recovered_ms"] == 0.0


def test_a_command_that_fails_says_so_in_the_marks() -> None:
    with FaultInjection(Fault(python("import sys; sys.exit('no such node')"), 1.0)) as fault:
        load = injecting(fault, FakeWorkers(lambda _k, _now: MS), 1.5)
    assert [text for _at, text in load.marks][1:] == ["fault 1 failed with status 1: no such node"]
    assert fault.injected[0].facts()["exit_status"] == 1


def test_a_command_that_still_runs_is_not_run_again_and_is_killed_at_the_end() -> None:
    with FaultInjection(Fault(python("import time; time.sleep(60)"), 1.0)) as fault:
        load = drive(FakeWorkers(lambda _k, _now: MS), steady(100.0, 2.5), [fault])
        process = fault._running
        assert process is not None
        assert process.poll() is None
    assert process.returncode == -9
    assert [text for _at, text in load.marks][1:] == ["fault 2 left out: the command before has not ended"]
    assert [one.facts()["exit_status"] for one in fault.injected] == [None]


def test_the_load_does_not_wait_for_the_command() -> None:
    began = time.monotonic()
    with FaultInjection(Fault(python("import time; time.sleep(60)"), 0.5)) as fault:
        load = drive(FakeWorkers(lambda _k, _now: MS), steady(100.0, 1.0), [fault])
    assert time.monotonic() - began < 30
    assert max(load.recorder.lags) < 1000
