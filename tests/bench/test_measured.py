"""What is told of a run: samples of the workers, what they say of themselves, rates, the driver's own load."""

from __future__ import annotations

import io
from typing import Any

import pytest

from port_worker.bench.live import Live
from port_worker.bench.measured import DriverLoad, Mark, Measured, MeasuredPhase, Row, joined
from port_worker.bench.phases import phase_facts, total_phase
from port_worker.bench.recording import Cell
from port_worker.bench.sampling import Sampler, Use
from port_worker.bench.stages import Stage
from port_worker.bench.worker_status import between
from tests.bench.fake_workers import FakeWorkers, drive, open_loop, steady


def two_ms(_k: int, _now: int) -> int:
    return 2_000_000


class Processes:
    """Uses a quarter of a core, and grows by 1,000 bytes a second of the clock."""

    def __init__(self, workers: FakeWorkers) -> None:
        self.workers = workers
        self.ended: set[int] = set()

    def look(self, pid: int) -> Use | None:
        seconds = self.workers.now / 1e9
        return None if pid in self.ended else Use(round(1000 * seconds), seconds / 4)

    def seconds(self) -> float:
        return self.workers.now / 1e9


def test_workers_are_looked_at_at_the_end_of_each_measured_second() -> None:
    workers = FakeWorkers(two_ms)
    processes = Processes(workers)
    sampler = Sampler(lambda: [11, None], processes.look, processes.seconds)
    drive(workers, steady(100.0, 3.0, warmup_s=1.5), [sampler])
    samples = sampler.up_to(3)
    assert [sample.rss_bytes[0] for sample in samples] == pytest.approx([2500, 3500, 4500], abs=15)
    assert [sample.cpu[0] for sample in samples] == pytest.approx([0.25] * 3)
    assert [(sample.rss_bytes[1], sample.cpu[1]) for sample in samples] == [(None, None)] * 3


def test_a_worker_that_has_ended_holds_nothing() -> None:
    workers = FakeWorkers(two_ms)
    processes = Processes(workers)
    processes.ended.add(11)
    sampler = Sampler(lambda: [11], processes.look, processes.seconds)
    drive(workers, steady(100.0, 1.0), [sampler])
    assert [(one.rss_bytes, one.cpu) for one in sampler.up_to(1)] == [([None], [None])]


def status(batches: int, batch_mean: float, queue: float, service: float, pid: int = 1) -> dict[str, Any]:
    maxima = {"batch_max": 9, "queue_ms_max": 5.0, "service_ms_max": 6.0}
    means = {"batch_mean": batch_mean, "queue_ms_mean": queue, "service_ms_mean": service}
    return {"os_pid": pid, "batches": batches, **means, **maxima}


def test_means_of_a_run_are_the_difference_of_two_looks() -> None:
    """10 batches of 2 that waited 1 ms, then 30 of 4 that waited 3 ms."""
    before = status(10, 2.0, 1.0, 0.5)
    after = status(40, 140 / 40, (20 * 1.0 + 120 * 3.0) / 140, (20 * 0.5 + 120 * 0.25) / 140)
    found = between(before, after)
    assert (found["batches"], found["batch_mean"]) == (30, pytest.approx(4.0))
    assert found["queue_ms_mean"] == pytest.approx(3.0)
    assert found["service_ms_mean"] == pytest.approx(0.25)
    assert found["batch_max"] == 9


def test_another_process_counts_from_its_own_start() -> None:
    assert between(status(10, 2.0, 1.0, 0.5), status(4, 3.0, 2.0, 1.0, pid=2))["batches"] == 4


@pytest.mark.parametrize("after", [None, {"rss_bytes": 1000}])
def test_what_a_worker_does_not_tell_is_none(after: dict[str, Any] | None) -> None:
    assert set(between(None, after).values()) == {None}


def test_no_call_between_two_looks_has_no_mean() -> None:
    assert between(status(4, 3.0, 2.0, 1.0), status(4, 3.0, 2.0, 1.0))["queue_ms_mean"] == 0.0


@pytest.mark.parametrize(
    ("lags", "busy", "why"),
    [
        ({100: 100}, 0.1, None),
        ({100: 98, 3000: 2}, 0.1, "sends were 3.0 ms late at p99 (more than 2)"),
        ({100: 100}, 0.9, "it was busy 90% of the time (more than 70%)"),
    ],
)
def test_a_driver_that_is_late_or_busy_says_so(lags: dict[int, int], busy: float, why: str | None) -> None:
    facts = DriverLoad(lags, busy).facts()
    assert (facts["limited"], facts["why"]) == (why is not None, why)


def test_a_driver_that_sent_nothing_was_no_limit() -> None:
    assert DriverLoad({}, 0.0).facts() == {"send_lag_ms": None, "busy": 0.0, "limited": False, "why": None}


def cell(ok: int, us: int) -> Cell:
    return Cell(offered=ok, ok=ok, corrected={us: ok}, uncorrected={us: ok})


def test_rates_are_over_the_time_until_the_last_answer() -> None:
    facts = phase_facts(MeasuredPhase("measured", 2.0, 2.5, {"recommend": cell(100, 5000)}))
    assert (facts["rate_offered"], facts["rate_achieved"], facts["duration_s"]) == (50.0, 40.0, 2.5)
    assert facts["latency_ms"]["p50"] == pytest.approx(5.0, rel=0.001)


def test_phases_add_up_by_operation() -> None:
    phases = [
        MeasuredPhase("calm", 1.0, 1.2, {"recommend": cell(10, 1000)}),
        MeasuredPhase("after", 2.0, 2.1, {"recommend": cell(20, 1000), "score": cell(5, 2000)}),
    ]
    total = total_phase(phases)
    assert total.scheduled_s == 3.0
    assert total.duration_s == pytest.approx(3.1)
    assert {op: one.ok for op, one in total.cells.items()} == {"recommend": 30, "score": 5}
    assert phases[0].cells["recommend"].ok == 10


def one_run(began_s: float, rows: int, peak: int) -> Measured:
    worker = {"pid": 1, "rss_peak_bytes": peak}
    row = Row(1, 1, 0, 1.0, 1.0, 1.0)
    return Measured(began_s, [], [row] * rows, [Mark(0.5, "mark")], DriverLoad({100: 2}, 0.2), [worker])


def test_runs_lie_on_one_clock() -> None:
    whole = joined([one_run(100.0, 3, 70), one_run(105.1, 2, 60)])
    assert [row.offered for row in whole.rows] == [1, 1, 1, 0, 0, 1, 1]
    assert [mark.at_s for mark in whole.marks] == [0.5, pytest.approx(5.6)]
    assert whole.driver.lags == {100: 4}
    assert whole.workers[0]["rss_peak_bytes"] == 70


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_overwrites_itself() -> None:
    terminal = Terminal()
    live = Live(terminal)
    live.title = "steady"
    drive(FakeWorkers(two_ms), steady(100.0, 3.0), [live.watching()])
    live.rest()
    shown = terminal.getvalue()
    assert "\n" not in shown
    assert shown.count("bench: steady measured") == 3
    assert "201 sent, " in shown
    assert shown.endswith("\r")


def test_elsewhere_there_is_a_line_for_each_stage() -> None:
    stream = io.StringIO()
    live = Live(stream)
    live.title = "burst"
    drive(FakeWorkers(two_ms), open_loop(Stage("calm", 100.0, 2.0), Stage("burst", 500.0, 2.0)), [live.watching()])
    live.rest()
    assert stream.getvalue().splitlines() == [
        "bench: burst calm: 100 calls a second for 2 s",
        "bench: burst burst: 500 calls a second for 2 s",
    ]
