"""Work in steps: whose turn it is, what ends, what is dropped; scripted steps and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from port_worker.answering import Outcome
from port_worker.jobs import BULK_WAITS_SECONDS, Jobs
from port_worker.scheduler import Lane, Scheduler, Work
from port_worker.status import Counters
from protocol.errors import ProtocolError
from tests.worker.clock import Clock


class Script:
    """Makes jobs of two slices and then the end of every call; keeps what was done in `done`."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.raises: Exception | None = None

    def start(self, due: Sequence[Work]) -> Iterator[list[Outcome]]:
        name = "+".join(str(work.call_id) for work in due)
        for step in ("a", "b"):
            self.done.append(f"{name}{step}")
            if self.raises is not None:
                raise self.raises
            yield []
        self.done.append(f"{name}c")
        yield [(work, f"answer {work.call_id}") for work in due]


class Bench:
    """The jobs of a scheduler, with what they were made of."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(self.clock, max_batch=8)
        self.script = Script()
        self.counters = Counters()
        self.jobs = Jobs(self.scheduler, self.script.start, self.clock, self.counters)

    def add(self, call_id: int, lane: Lane, expires_at: float = float("inf")) -> None:
        self.scheduler.add(Work(call_id, "op", None, lane, expires_at, self.clock.now))

    def run(self) -> dict[int, object]:
        """Everything that there is to do: what each call got."""
        ends: dict[int, object] = {}
        while self.jobs.busy:
            for work, result in self.jobs.step():
                assert work.call_id not in ends
                ends[work.call_id] = result.code if isinstance(result, ProtocolError) else result
        return ends


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_batch_goes_on_step_by_step_to_its_end(bench: Bench) -> None:
    bench.add(1, Lane.BATCH)
    bench.add(2, Lane.BATCH)
    assert bench.run() == {1: "answer 1", 2: "answer 2"}
    assert bench.script.done == ["1+2a", "1+2b", "1+2c"]


def test_a_lone_call_is_begun_in_the_step_that_finds_it(bench: Bench) -> None:
    bench.add(1, Lane.BATCH)
    assert bench.jobs.step() == []
    assert bench.script.done == ["1a"]


def test_bulk_work_waits_for_every_urgent_call(bench: Bench) -> None:
    bench.add(9, Lane.BULK)
    bench.jobs.step()
    bench.add(1, Lane.BATCH)
    bench.add(2, Lane.SINGLE)
    bench.run()
    assert bench.script.done == ["9a", "2a", "2b", "2c", "1a", "1b", "1c", "9b", "9c"]


def test_bulk_work_gets_a_slice_when_it_has_waited_for_long(bench: Bench) -> None:
    bench.add(9, Lane.BULK)
    bench.add(1, Lane.BATCH)
    bench.jobs.step()
    bench.clock.now += 2 * BULK_WAITS_SECONDS
    bench.jobs.step()
    bench.jobs.step()
    assert bench.script.done == ["1a", "9a", "1b"]


def test_single_calls_and_batches_take_turns(bench: Bench) -> None:
    for call_id in (1, 2, 3):
        bench.add(call_id, Lane.SINGLE)
    for call_id in (4, 5):
        bench.add(call_id, Lane.BATCH)
    bench.run()
    assert [step[:-1] for step in bench.script.done if step.endswith("a")] == ["1", "4+5", "2", "3"]


@pytest.mark.parametrize("lane", [Lane.BATCH, Lane.SINGLE, Lane.BULK])
def test_what_a_step_raises_ends_the_open_calls(bench: Bench, lane: Lane, capfd: pytest.CaptureFixture[str]) -> None:
    for raised, code in [(ProtocolError("no_model", "none"), "no_model"), (ZeroDivisionError("x"), "internal")]:
        bench.script.raises = raised
        bench.add(1, lane)
        assert bench.run() == {1: code}
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_what_cannot_be_started_ends_at_once(bench: Bench) -> None:
    def refuse(_due: Sequence[Work]) -> Iterator[list[Outcome]]:
        raise ProtocolError("no_model", "none")

    bench.jobs = Jobs(bench.scheduler, refuse, bench.clock, bench.counters)
    bench.add(1, Lane.BATCH)
    bench.add(2, Lane.BULK)
    assert bench.run() == {1: "no_model", 2: "no_model"}


def test_a_dropped_call_has_no_end_and_the_others_of_its_batch_have(bench: Bench) -> None:
    bench.add(1, Lane.BATCH)
    bench.add(2, Lane.BATCH)
    bench.jobs.step()
    dropped = bench.jobs.drop(1)
    assert dropped is not None
    assert dropped.call_id == 1
    assert bench.jobs.drop(1) is None
    assert bench.run() == {2: "answer 2"}


def test_a_job_whose_calls_are_all_dropped_is_not_gone_on_with(bench: Bench) -> None:
    bench.add(1, Lane.BULK)
    bench.jobs.step()
    bench.jobs.drop(1)
    assert bench.run() == {}
    assert bench.script.done == ["1a"]


def test_a_deadline_that_passes_during_the_work_ends_the_call(bench: Bench) -> None:
    bench.add(1, Lane.BATCH, expires_at=101.0)
    bench.add(2, Lane.BATCH)
    bench.jobs.step()
    assert bench.jobs.expired() == []
    bench.clock.now = 101.0
    [(work, error)] = bench.jobs.expired()
    assert (work.call_id, error.code) == (1, "deadline_exceeded")
    assert bench.run() == {2: "answer 2"}


@pytest.mark.parametrize("lane", [Lane.BATCH, Lane.SINGLE, Lane.BULK])
def test_a_deadline_that_passed_while_it_waited_ends_it_undone(bench: Bench, lane: Lane) -> None:
    bench.add(1, lane, expires_at=bench.clock.now)
    assert bench.run() == {1: "deadline_exceeded"}
    assert bench.script.done == []


def test_batches_are_counted_and_timed(bench: Bench) -> None:
    bench.add(1, Lane.BATCH)
    bench.add(2, Lane.BATCH)
    bench.clock.now += 0.5
    bench.jobs.step()
    bench.clock.now += 0.25
    bench.run()
    bench.add(3, Lane.BATCH)
    bench.run()
    facts = bench.counters.facts()
    assert (facts["batches"], facts["batch_mean"], facts["batch_max"]) == (2, 1.5, 2)
    assert (facts["queue_ms_max"], facts["service_ms_max"]) == (500.0, 250.0)
    assert facts["queue_ms_mean"] == pytest.approx(1000 / 3)


def test_bulk_and_single_calls_are_no_batches(bench: Bench) -> None:
    bench.add(1, Lane.BULK)
    bench.add(2, Lane.SINGLE)
    bench.run()
    assert bench.counters.facts()["batches"] == 0
