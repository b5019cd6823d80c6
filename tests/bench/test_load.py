"""The load against a clock that stands still until it waits."""

from __future__ import annotations

import pytest

from port_worker.bench.histogram import histogram_of, latency_ms
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.load import UNSENT_LIMIT_BYTES
from port_worker.bench.percentile import counted_percentile
from port_worker.bench.stages import NEVER, NS, Stage
from tests.bench.fake_workers import (
    MS,
    FakeWorkers,
    closed_loop,
    drive,
    milliseconds,
    of_stage,
    open_loop,
    outcomes_of,
    steady,
    total,
)


def two_ms(_k: int, _now: int) -> int:
    return 2 * MS


def test_a_steady_worker_is_measured_as_it_is() -> None:
    workers = FakeWorkers(two_ms)
    load = drive(workers, steady(100.0, 1.0, warmup_s=0.5))
    assert len(workers.sent) == 150
    assert outcomes_of(load) == {"ok": 100}
    assert milliseconds(total(load).corrected) == pytest.approx([2.0] * 100, abs=0.05)
    assert total(load).sources == {"model": 100}
    assert (load.sent, load.answered, load.errors) == (150, 150, 0)


def test_a_stall_is_paid_by_every_call_that_was_due_in_it() -> None:
    """A worker that answers nothing for 300 ms: from the due times, the wait of each call is a ramp."""
    stall = (500 * MS, 800 * MS)
    workers = FakeWorkers(lambda _k, now: (stall[1] - now if stall[0] <= now < stall[1] else 0) + MS)
    load = drive(workers, steady(100.0, 1.0))
    slow = [latency for latency in milliseconds(total(load).corrected) if latency > 5]
    assert slow == pytest.approx([301.0 - 10 * k for k in range(29, -1, -1)], abs=0.1)


def test_one_stall_in_a_minute_shows_in_the_corrected_latencies_alone() -> None:
    """1.4 s in which nothing is answered: 140 calls are due in it, of which a client that waits would have sent one.

    The p99.9 of 6,000 calls is the sixth from the top.
    """
    stall = (30 * NS, 30 * NS + 1400 * MS)
    workers = FakeWorkers(lambda _k, now: (stall[1] - now if stall[0] <= now < stall[1] else 0) + 2 * MS)
    cell = total(drive(workers, steady(100.0, 60.0)))
    corrected = latency_ms(histogram_of(cell.corrected), cell.corrected)
    uncorrected = latency_ms(histogram_of(cell.uncorrected), cell.uncorrected)
    assert corrected is not None
    assert uncorrected is not None
    assert (corrected["count"], uncorrected["count"]) == (6000, 6000 - 140)
    assert corrected["p999"] == pytest.approx(1402 - 6 * 10, abs=2)
    assert corrected["p99"] == pytest.approx(1402 - 60 * 10, abs=2)
    assert uncorrected["p999"] == pytest.approx(2.0, abs=0.1)
    assert uncorrected["max"] == pytest.approx(1402.0, abs=1.5)


class HeldUp(Incident):
    """Holds the driver up once, as a machine that is busy elsewhere does."""

    def __init__(self, workers: FakeWorkers, at_ns: int, for_ns: int) -> None:
        self.workers = workers
        self.at_ns = at_ns
        self.for_ns = for_ns

    def due_ns(self) -> int:
        return self.at_ns

    def act(self, _run: Running, _now_ns: int) -> None:
        self.at_ns = NEVER
        self.workers.now += self.for_ns


def test_a_driver_that_is_held_up_sends_late_and_says_so() -> None:
    workers = FakeWorkers(two_ms)
    load = drive(workers, steady(100.0, 2.0), [HeldUp(workers, NS, 100 * MS)])
    assert len(workers.sent) == 200
    assert max(load.recorder.lags) == pytest.approx(90_000, abs=200)
    assert total(load).corrected[92_000] == 1
    assert max(total(load).corrected) == pytest.approx(100_000, abs=200), "of the call that was sent just before"


def test_a_driver_that_waits_is_not_busy() -> None:
    assert drive(FakeWorkers(two_ms), steady(100.0, 1.0)).busy == pytest.approx(0.0, abs=0.01)


def test_a_driver_that_never_waits_is_busy() -> None:
    workers = FakeWorkers(two_ms)

    def slow_clock() -> int:
        workers.now += MS  # every look at it takes a millisecond: each call costs several
        return workers.now

    workers.clock = slow_clock  # type: ignore[method-assign]
    load = drive(workers, steady(1000.0, 1.0))
    assert load.busy > 0.9
    assert counted_percentile(load.recorder.lags, 99) > 100_000


def test_errors_are_counted_by_code_and_have_no_latency() -> None:
    workers = FakeWorkers(two_ms)
    workers.failing = dict.fromkeys(range(0, 50, 10), "overloaded") | {1: "internal"}
    load = drive(workers, steady(50.0, 1.0))
    assert outcomes_of(load) == {"ok": 44, "overloaded": 5, "internal": 1}
    assert len(milliseconds(total(load).corrected)) == 44
    assert [second.errors for second in load.recorder.seconds] == [6]


def test_silence_ends_after_the_grace() -> None:
    workers = FakeWorkers(lambda k, _now: MS if k < 30 else None)
    load = drive(workers, steady(50.0, 1.0))
    assert outcomes_of(load) == {"ok": 30, "no_answer": 20}
    assert workers.now == pytest.approx(6 * NS, abs=NS)


def test_the_grace_is_longer_than_the_deadline() -> None:
    workers = FakeWorkers(lambda _k, _now: None)
    drive(workers, steady(10.0, 1.0), deadline_ms=20_000)
    assert workers.now == pytest.approx(22 * NS, abs=NS)


def test_a_call_that_outlives_its_deadline_is_given_up_while_others_go_on() -> None:
    """One of the first second is never answered; it does not hold the rest up, and a late answer is nobody's."""
    workers = FakeWorkers(lambda k, _now: 4 * NS if k == 5 else MS)
    load = drive(workers, steady(10.0, 6.0), deadline_ms=500)
    assert outcomes_of(load) == {"ok": 59, "no_answer": 1}
    assert [call.deadline_ms for _, _, call in workers.sent] == [500] * 60
    assert max(milliseconds(total(load).corrected)) < 5


def test_a_worker_that_does_not_read_is_not_fed() -> None:
    workers = FakeWorkers(two_ms)
    workers.unsent[0] = UNSENT_LIMIT_BYTES + 1
    load = drive(workers, steady(50.0, 1.0, warmup_s=0.1))
    assert workers.sent == []
    assert outcomes_of(load) == {"ok": 0, "not_sent": 50}
    assert total(load).not_sent == 50


def test_death_settles_what_was_in_flight_and_what_was_to_come() -> None:
    workers = FakeWorkers(lambda _k, now: MS if now < 400 * MS else None)
    workers.dies_at[0] = 600 * MS
    load = drive(workers, steady(50.0, 1.0, warmup_s=0.2))
    found = outcomes_of(load)
    assert found.keys() == {"ok", "worker_gone", "not_sent"}
    assert found["ok"] == 10
    assert found["worker_gone"] == pytest.approx(10, abs=1)
    assert sum(found.values()) == total(load).offered == 50


def test_death_in_the_warm_up_leaves_the_whole_window_unsent() -> None:
    workers = FakeWorkers(two_ms)
    workers.dies_at[0] = 1
    assert outcomes_of(drive(workers, steady(50.0, 1.0, warmup_s=0.2))) == {"ok": 0, "not_sent": 50}


def test_death_ends_a_stage_without_an_end() -> None:
    workers = FakeWorkers(two_ms)
    workers.dies_at[0] = NS
    load = drive(workers, open_loop(Stage("before", 10.0, None), Stage("after", 10.0, 1.0)))
    assert of_stage(load, 0).ok == 10
    assert of_stage(load, 1).errors == {"not_sent": 10}


def test_a_worker_that_comes_back_is_driven_again() -> None:
    workers = FakeWorkers(two_ms)
    workers.dies_at[0], workers.returns_at[0] = 400 * MS, 600 * MS
    load = drive(workers, steady(100.0, 1.0))
    found = outcomes_of(load)
    assert found["not_sent"] == pytest.approx(20, abs=2)
    assert found["ok"] == pytest.approx(80, abs=2)


def test_calls_go_to_the_worker_with_the_fewest_in_flight() -> None:
    """The second is ten times as slow as the first, and so gets a tenth of the calls once both are loaded."""
    workers = FakeWorkers(two_ms, count=2)
    workers.service = lambda k, _now: 5 * MS if k % 2 else 50 * MS
    drive(workers, steady(1000.0, 0.1))
    assert {worker for _, worker, _ in workers.sent} == {0, 1}


def test_idle_workers_take_turns() -> None:
    workers = FakeWorkers(two_ms, count=3)
    drive(workers, steady(50.0, 1.2))
    assert [sum(worker == one for _, worker, _ in workers.sent) for one in range(3)] == [20, 20, 20]


def test_one_of_two_workers_takes_the_calls_of_the_other_that_died() -> None:
    workers = FakeWorkers(two_ms, count=2)
    workers.dies_at[1] = 500 * MS
    load = drive(workers, steady(100.0, 1.0))
    assert total(load).failed <= 1
    assert {worker for at, worker, _ in workers.sent if at > 510 * MS} == {0}


def test_a_closed_loop_keeps_so_many_in_flight() -> None:
    workers = FakeWorkers(lambda _k, _now: 10 * MS)
    load = drive(workers, closed_loop(4, 1.0))
    assert len(workers.sent) == pytest.approx(400, abs=8)
    assert total(load).offered == total(load).ok == len(workers.sent)
    assert milliseconds(total(load).corrected) == pytest.approx([10.0] * total(load).ok, abs=0.2)


def test_a_closed_loop_offers_nothing_while_nobody_is_there() -> None:
    workers = FakeWorkers(lambda _k, _now: 10 * MS)
    workers.dies_at[0], workers.returns_at[0] = 200 * MS, 700 * MS
    load = drive(workers, closed_loop(2, 1.0))
    assert outcomes_of(load) == {"ok": pytest.approx(100, abs=4), "worker_gone": 2}


def test_a_closed_loop_ends_with_its_last_worker() -> None:
    workers = FakeWorkers(lambda _k, _now: 10 * MS)
    workers.dies_at[0] = 105 * MS
    assert outcomes_of(drive(workers, closed_loop(2, 1.0))) == {"ok": 20, "worker_gone": 2}


def test_seconds_count_from_the_end_of_the_warm_up_by_when_calls_were_due() -> None:
    load = drive(FakeWorkers(two_ms), steady(100.0, 2.5, warmup_s=1.5))
    assert [second.offered for second in load.recorder.seconds] == [100, 100, 50]
    assert [second.ok for second in load.recorder.seconds] == [100, 100, 50]


def test_stages_follow_each_other_without_a_gap() -> None:
    load = drive(FakeWorkers(two_ms), open_loop(Stage("calm", 100.0, 1.0), Stage("burst", 500.0, 1.0)))
    assert (of_stage(load, 0).ok, of_stage(load, 1).ok) == (100, 500)
    assert load.timeline.ended_ns == [NS, 2 * NS]


class Patient(Incident):
    """Wants to act every 100 ms, between calls."""

    patient = True

    def __init__(self) -> None:
        self.next_ns = 0
        self.acted: list[int] = []

    def due_ns(self) -> int:
        return self.next_ns

    def act(self, _run: Running, now_ns: int) -> None:
        self.next_ns = now_ns + 100 * MS
        self.acted.append(now_ns)


@pytest.mark.parametrize(("rate", "most_late_ms"), [(100.0, 1), (5000.0, 150)])
def test_a_patient_incident_waits_for_a_gap_and_not_for_ever(rate: float, most_late_ms: float) -> None:
    patient = Patient()
    drive(FakeWorkers(lambda _k, _now: 10_000), steady(rate, 1.0), [patient])
    gaps = [after - before for before, after in zip(patient.acted, patient.acted[1:], strict=False)]
    assert len(patient.acted) >= 5
    assert max(gaps) <= (100 + most_late_ms) * MS
