"""The load against a clock that stands still until it waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest

from port_worker.bench.calls import Phase
from port_worker.bench.load import UNSENT_LIMIT_BYTES, Load, Run, Tick
from port_worker.bench.retraining import LIMIT_S, Retraining
from port_worker.bench.schedule import NS, Schedule
from port_worker.host import WorkerGone
from protocol.messages import ErrorReply, Ok

MS = 1_000_000
ANSWER = {"items": [], "source": "model"}


class FakeWorker:
    """Answers call number k after `service_ns(k, now)`; its clock moves only while the load waits."""

    def __init__(self, service_ns: Callable[[int, int], int | None]) -> None:
        self.now = 0
        self.service_ns = service_ns
        self.sent: list[tuple[int, str]] = []
        self.due: list[tuple[int, int, Any]] = []
        self.unsent_bytes = 0
        self.dies_at: int | None = None
        self.retrain_ns: int | None = 100 * MS
        self.failing: dict[int, str] = {}

    def clock(self) -> int:
        return self.now

    def send_call(self, op: str, args: dict[str, Any], deadline_ms: int | None = None) -> int:
        call_id = len(self.sent)
        self.sent.append((self.now, op))
        takes = self.retrain_ns if op == "retrain" else self.service_ns(call_id, self.now)
        if takes is not None:
            code = self.failing.get(call_id)
            answer = (
                Ok(call_id, ANSWER)
                if code is None
                else ErrorReply(call_id, code, "as told", retryable=False, details={})
            )
            heapq.heappush(self.due, (self.now + takes, call_id, answer))
        return call_id

    def poll(self, timeout: float) -> list[object]:
        until = self.now + max(round(timeout * NS), 10_000)
        first = self.due[0][0] if self.due else until
        self.now = max(self.now, min(until, first))
        if self.dies_at is not None and self.now >= self.dies_at:
            raise WorkerGone("the worker ended with status 3", 3)
        answers: list[object] = []
        while self.due and self.due[0][0] <= self.now:
            answers.append(heapq.heappop(self.due)[2])
        return answers


def drive(worker: FakeWorker, schedule: Schedule, retraining: Retraining | None = None, **options: Any) -> Run:
    workload = repeat({"user": 1, "n": 10})
    return Load(worker, schedule, workload, retraining=retraining, clock=worker.clock, **options).run()


def steady(_k: int, _now: int) -> int:
    return 2 * MS


def test_a_steady_worker_is_measured_as_it_is() -> None:
    worker = FakeWorker(steady)
    run = drive(worker, Schedule(rate=100.0, warmup_s=0.5, duration_s=1.0))
    assert len(worker.sent) == 150
    assert dict(run.calls.counts()) == {"ok": 100}
    assert run.calls.latencies() == pytest.approx([2.0] * 100, abs=0.05)
    assert run.window_s == pytest.approx(1.0, abs=0.01)
    assert run.sources == {"model": 100}


def test_a_stall_is_paid_by_every_call_that_was_due_in_it() -> None:
    """A closed loop would show one slow call; from the due times, the wait of each is a ramp."""
    stall = (500 * MS, 800 * MS)
    worker = FakeWorker(lambda _k, now: (stall[1] - now if stall[0] <= now < stall[1] else 0) + MS)
    run = drive(worker, Schedule(rate=100.0, warmup_s=0.0, duration_s=1.0))
    slow = [latency for latency in run.calls.latencies() if latency > 5]
    assert slow == pytest.approx([301.0 - 10 * k for k in range(30)], abs=0.1)


def test_a_driver_that_is_held_up_sends_late_and_says_so() -> None:
    worker = FakeWorker(steady)

    def hold_up(tick: Tick) -> None:
        if tick.elapsed_s > 0.5:
            worker.now += 100 * MS

    run = drive(worker, Schedule(rate=100.0, warmup_s=0.0, duration_s=2.0), tick=hold_up)
    assert len(worker.sent) == 200
    late = max(run.calls.lags())
    assert 90.0 <= late <= 100.0
    assert max(run.calls.latencies()) == pytest.approx(late + 2.0, abs=0.1)


def test_errors_are_counted_by_code_and_have_no_latency() -> None:
    worker = FakeWorker(steady)
    worker.failing = dict.fromkeys(range(0, 50, 10), "overloaded") | {1: "internal"}
    run = drive(worker, Schedule(rate=50.0, warmup_s=0.0, duration_s=1.0))
    assert dict(run.calls.counts()) == {"ok": 44, "overloaded": 5, "internal": 1}
    assert len(run.calls.latencies()) == 44


def test_silence_ends_after_the_grace() -> None:
    worker = FakeWorker(lambda k, _now: MS if k < 30 else None)
    run = drive(worker, Schedule(rate=50.0, warmup_s=0.0, duration_s=1.0))
    assert dict(run.calls.counts()) == {"ok": 30, "no_answer": 20}
    assert worker.now == pytest.approx(6 * NS, abs=NS)


def test_the_grace_is_at_least_the_deadline() -> None:
    worker = FakeWorker(lambda _k, _now: None)
    drive(worker, Schedule(rate=10.0, warmup_s=0.0, duration_s=1.0), deadline_ms=20_000)
    assert worker.now == pytest.approx(21 * NS, abs=NS)


def test_a_worker_that_does_not_read_is_not_fed() -> None:
    worker = FakeWorker(steady)
    worker.unsent_bytes = UNSENT_LIMIT_BYTES + 1
    run = drive(worker, Schedule(rate=50.0, warmup_s=0.1, duration_s=1.0))
    assert worker.sent == []
    assert dict(run.calls.counts()) == {"not_sent": 50}


def test_death_settles_what_was_in_flight_and_what_was_to_come() -> None:
    worker = FakeWorker(lambda _k, now: MS if now < 400 * MS else None)
    worker.dies_at = 600 * MS
    run = drive(worker, Schedule(rate=50.0, warmup_s=0.2, duration_s=1.0))
    counts = run.calls.counts()
    assert counts["ok"] == 10
    assert counts["worker_gone"] == pytest.approx(10, abs=1)
    assert counts.total() == 50
    assert set(counts) == {"ok", "worker_gone", "not_sent"}


def test_death_in_the_warm_up_leaves_the_whole_window_unsent() -> None:
    worker = FakeWorker(steady)
    worker.dies_at = 0
    run = drive(worker, Schedule(rate=50.0, warmup_s=0.2, duration_s=1.0))
    assert dict(run.calls.counts()) == {"not_sent": 50}


def test_a_retrain_lies_between_two_halves() -> None:
    worker = FakeWorker(steady)
    worker.retrain_ns = 3 * NS
    retraining = Retraining(due_ns=round(1.5 * NS), args={"algorithm": "ALS"})
    run = drive(worker, Schedule(rate=100.0, warmup_s=0.5, duration_s=2.0), retraining)
    by_phase = {phase: run.calls.counts(phase)["ok"] for phase in Phase}
    assert by_phase[Phase.BEFORE] == pytest.approx(100, abs=1)
    assert by_phase[Phase.DURING] == pytest.approx(300, abs=1)
    assert by_phase[Phase.AFTER] == pytest.approx(100, abs=1)
    assert retraining.seconds == pytest.approx(3.0, abs=0.01)
    assert retraining.error is None
    assert run.window_s == pytest.approx(5.0, abs=0.02)


def test_a_retrain_that_is_never_answered_is_given_up() -> None:
    worker = FakeWorker(steady)
    worker.retrain_ns = None
    retraining = Retraining(due_ns=0)
    drive(worker, Schedule(rate=1.0, warmup_s=0.0, duration_s=10.0), retraining)
    assert retraining.error is not None
    assert retraining.error["code"] == "no_answer"
    assert retraining.seconds == pytest.approx(LIMIT_S + 10, abs=1.0)


def test_death_ends_a_retrain_too() -> None:
    worker = FakeWorker(steady)
    worker.retrain_ns, worker.dies_at = None, NS
    retraining = Retraining(due_ns=NS // 2)
    drive(worker, Schedule(rate=10.0, warmup_s=0.0, duration_s=1.0), retraining)
    assert retraining.error is not None
    assert retraining.error["code"] == "worker_gone"
