"""What is done next: lanes, order, batches, deadlines, cancel; a clock that the test moves."""

from __future__ import annotations

import pytest

from port_worker.scheduler import Lane, Scheduler, Work
from tests.worker.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(call_id: int, lane: Lane = Lane.BATCH, expires_at: float = float("inf")) -> Work:
    return Work(call_id, "op", None, lane, expires_at)


def ids(works: list[Work]) -> list[int]:
    return [one.call_id for one in works]


def test_what_waits_for_a_batch_is_one_up_to_the_limit(clock: Clock) -> None:
    scheduler = Scheduler(clock, max_batch=3)
    for call_id in range(5):
        scheduler.add(work(call_id))
    assert ids(scheduler.take(Lane.BATCH)[0]) == [0, 1, 2]
    assert ids(scheduler.take(Lane.BATCH)[0]) == [3, 4]
    assert scheduler.take(Lane.BATCH) == ([], [])


@pytest.mark.parametrize("lane", [Lane.AT_ONCE, Lane.SINGLE, Lane.BULK])
def test_other_lanes_give_one_call_at_a_time_in_order(clock: Clock, lane: Lane) -> None:
    scheduler = Scheduler(clock)
    for call_id in range(3):
        scheduler.add(work(call_id, lane))
    assert [ids(scheduler.take(lane)[0]) for _ in range(4)] == [[0], [1], [2], []]


def test_the_first_lane_that_has_any_gives(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(work(1))
    scheduler.add(work(2, Lane.SINGLE))
    scheduler.add(work(3, Lane.BULK))
    assert ids(scheduler.take(Lane.SINGLE, Lane.BATCH)[0]) == [2]
    assert ids(scheduler.take(Lane.SINGLE, Lane.BATCH)[0]) == [1]
    assert scheduler.take(Lane.SINGLE, Lane.BATCH) == ([], [])
    assert (scheduler.waiting(Lane.BULK), len(scheduler)) == (1, 1)


def test_what_expired_is_given_back_undone_and_takes_no_place_in_the_batch(clock: Clock) -> None:
    scheduler = Scheduler(clock, max_batch=2)
    scheduler.add(work(1, expires_at=100.5))
    scheduler.add(work(2, expires_at=101.5))
    scheduler.add(work(3))
    clock.now = 101.0
    due, expired = scheduler.take(Lane.BATCH)
    assert (ids(due), ids(expired)) == ([2, 3], [1])


def test_a_deadline_of_now_has_passed(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(work(1, expires_at=clock.now))
    assert scheduler.take(Lane.BATCH) == ([], [work(1, expires_at=clock.now)])


def test_what_waits_past_its_deadline_can_be_taken_out_of_a_lane(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    for call_id, expires_at in ((1, 101.0), (2, 102.0), (3, 100.5)):
        scheduler.add(work(call_id, Lane.BULK, expires_at))
    scheduler.add(work(4, Lane.BATCH, 100.5))
    assert scheduler.expired(Lane.BULK) == []
    clock.now = 101.0
    assert ids(scheduler.expired(Lane.BULK)) == [1, 3]
    assert scheduler.expired(Lane.BULK) == []
    assert (scheduler.waiting(Lane.BULK), scheduler.waiting(Lane.BATCH)) == (1, 1)


@pytest.mark.parametrize("lane", list(Lane))
def test_cancel_forgets_a_waiting_call_once(clock: Clock, lane: Lane) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(work(1, lane))
    assert scheduler.cancel(1)
    assert not scheduler.cancel(1)
    assert len(scheduler) == 0
