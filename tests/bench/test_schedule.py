"""When calls are due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.bench.schedule import NS, Schedule


def test_calls_are_due_at_a_constant_rate_from_the_start() -> None:
    schedule = Schedule(rate=200.0, warmup_s=2.0, duration_s=15.0)
    assert [schedule.due_ns(k) for k in (0, 1, 2, 200)] == [0, 5_000_000, 10_000_000, NS]
    assert schedule.warmup_calls == 400
    assert schedule.calls - schedule.warmup_calls == 3000


def test_a_rate_that_divides_nothing_does_not_drift() -> None:
    schedule = Schedule(rate=3.0, warmup_s=0.0, duration_s=1.0)
    assert schedule.due_ns(3 * 3600 * 24) == 24 * 3600 * NS


@pytest.mark.parametrize(("warmup_s", "calls"), [(0.0, 0), (0.009, 1), (0.01, 1), (0.011, 2)])
def test_the_warm_up_holds_the_calls_that_are_due_before_its_end(warmup_s: float, calls: int) -> None:
    assert Schedule(rate=100.0, warmup_s=warmup_s, duration_s=1.0).warmup_calls == calls


@given(st.floats(0.01, 1e6), st.integers(0, 3600 * NS))
def test_what_is_due_by_a_time_is_all_that_is_due_until_then(rate: float, elapsed_ns: int) -> None:
    schedule = Schedule(rate, 0.0, 1.0)
    due = schedule.due_by(elapsed_ns)
    assert schedule.due_ns(due) > elapsed_ns
    assert due == 0 or schedule.due_ns(due - 1) <= elapsed_ns
