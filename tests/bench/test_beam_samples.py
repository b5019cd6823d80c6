"""The calls that a BEAM wrote down."""

from __future__ import annotations

from port_worker.bench.beam.plan import Closed, Plan, Worker
from port_worker.bench.beam.samples import BeamFacts, Outcome, read_samples
from tests.bench.beam_runs import BEAM, MS, NOT_SENT, OVERLOADED, Call, plan_of, result

CALLS = [Call(0, 5, 2 * MS), Call(MS, 7, 3 * MS, OVERLOADED), Call(2 * MS, 0, 0, NOT_SENT)]


def test_each_call_has_its_due_time_lag_latency_outcome_and_request() -> None:
    samples = read_samples(result(CALLS), plan_of(CALLS, ("recommend", "similar")))
    assert samples.due_ns.tolist() == [0, MS, 2 * MS]
    assert samples.lag_ns.tolist() == [5, 7, 0]
    assert samples.latency_ns.tolist() == [2 * MS, 3 * MS, 0]
    assert samples.ask.tolist() == [0, 1, 0]
    assert samples.worker.tolist() == [0, 0, 0]
    assert not samples.closed
    assert [samples.outcomes[number] for number in samples.outcome.tolist()] == [
        Outcome(True, "model"),
        Outcome(False, "overloaded"),
        Outcome(False, "not_sent"),
    ]
    assert samples.before == [{"batches": 1}, None]
    assert samples.after == [{"batches": 3}, None]
    assert samples.beam == BeamFacts(**BEAM)  # type: ignore[arg-type]


def test_a_call_that_was_never_sent_is_due_as_planned() -> None:
    written = [*CALLS[:2], Call(0, 0, 0, NOT_SENT)]
    assert read_samples(result(written), plan_of(CALLS)).due_ns.tolist() == [0, MS, 2 * MS]


def test_room_that_a_closed_loop_did_not_need_is_no_call() -> None:
    plan = Plan([Worker(["worker"])], [("ping", {})], closed=Closed(1, 1.0))
    samples = read_samples(result(CALLS), plan)
    assert samples.due_ns.tolist() == [0, MS]
    assert samples.ask.tolist() == [0, 0]
    assert samples.closed


def test_an_answer_that_names_no_source_has_none() -> None:
    samples = read_samples(result(CALLS[:1], [[2, "ok", "nil"]]), plan_of(CALLS[:1]))
    assert samples.outcomes == {2: Outcome(True, None)}
