"""The calls that a client would have made which waits for each answer."""

from __future__ import annotations

from dataclasses import replace

from port_worker.bench.beam.plan import Worker
from port_worker.bench.beam.samples import Samples, read_samples
from port_worker.bench.beam.waiting import made_by_one_that_waits
from tests.bench.beam_runs import NO_ANSWER, NOT_SENT, OVERLOADED, Call, plan_of, result


def samples_of(calls: list[Call], workers: int = 1) -> Samples:
    return read_samples(result(calls), replace(plan_of(calls), workers=[Worker(["worker"])] * workers))


def test_a_call_is_made_when_the_one_before_has_ended() -> None:
    calls = [Call(0, 0, 10), Call(5, 0, 2), Call(9, 1, 5, OVERLOADED), Call(13, 0, 9), Call(14, 0, 1)]
    assert made_by_one_that_waits(samples_of(calls)).tolist() == [True, False, True, False, True]


def test_a_call_without_an_answer_is_waited_for_and_one_that_was_not_sent_is_not() -> None:
    calls = [Call(0, 0, 0, NOT_SENT), Call(1, 0, 1), Call(2, 0, 0, NO_ANSWER), Call(50, 0, 1)]
    assert made_by_one_that_waits(samples_of(calls)).tolist() == [False, True, True, False]


def test_there_is_one_such_client_for_each_worker() -> None:
    calls = [Call(0, 0, 10), Call(1, 0, 1), Call(2, 0, 1), Call(3, 0, 1)]
    assert made_by_one_that_waits(samples_of(calls, workers=2)).tolist() == [True, True, False, True]


def test_a_call_that_was_sent_before_another_comes_before_it() -> None:
    calls = [Call(0, 20, 25), Call(1, 0, 30)]
    assert made_by_one_that_waits(samples_of(calls)).tolist() == [False, True]


def test_all_calls_of_a_closed_loop_are() -> None:
    calls = [Call(0, 0, 10), Call(5, 0, 2), Call(6, 0, 0, NOT_SENT)]
    assert made_by_one_that_waits(replace(samples_of(calls), closed=True)).tolist() == [True, True, False]
