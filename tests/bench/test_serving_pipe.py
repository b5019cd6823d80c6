"""A worker asked many things at a time, with a stub in its place."""

from __future__ import annotations

from typing import Any

import pytest

from port_worker.bench.serving.pipe import NoAnswerError, TimedWorker, recommend_calls
from port_worker.host import WorkerGone
from tests.peers.stubs import ENVIRONMENT, stub_command


def stub(**faults: Any) -> TimedWorker:
    host = TimedWorker.start(stub_command(**faults), env=ENVIRONMENT)
    assert isinstance(host, TimedWorker)
    return host


@pytest.mark.parametrize("in_flight", [1, 3, 64])
def test_every_call_is_answered_and_timed(in_flight: int) -> None:
    with stub() as worker:
        calls = worker.encoded("recommend", recommend_calls(["ada"] * 20, 3))
        flow = worker.closed_loop(calls, in_flight)
        assert worker.call("ping") == "pong"  # ids go on behind those that were encoded
    assert len(flow.ms) == 20
    assert all(0 < ms <= flow.seconds * 1e3 for ms in flow.ms)


def test_calls_wait_for_room() -> None:
    """With one in flight each waits for the one before it, so times add up to less than the whole."""
    with stub(delay_ms=5) as worker:
        flow = worker.closed_loop(worker.encoded("recommend", recommend_calls(["ada"] * 6, 3)), 1)
    assert all(ms >= 5 for ms in flow.ms)
    assert sum(flow.ms) <= flow.seconds * 1e3


def test_an_error_is_no_answer() -> None:
    with stub(error_every=2, error_code="overloaded") as worker:
        calls = worker.encoded("recommend", recommend_calls(["ada"] * 2, 3))
        with pytest.raises(NoAnswerError, match="overloaded"):
            worker.closed_loop(calls, 2)


def test_a_worker_that_ends_is_gone() -> None:
    with stub(die_after=1) as worker:
        calls = worker.encoded("recommend", recommend_calls(["ada"] * 3, 3))
        with pytest.raises(WorkerGone):
            worker.closed_loop(calls, 1)
