"""What is done next: order, batches, deadlines, cancel; a clock that the test moves."""

from __future__ import annotations

import pytest

from port_worker.scheduler import Scheduler, Work


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def recommend(call_id: int, expires_at: float = float("inf")) -> Work:
    return Work(call_id, "recommend", None, expires_at)


def ids(works: list[Work]) -> list[int]:
    return [work.call_id for work in works]


def test_recommendations_that_wait_are_one_batch_up_to_the_limit(clock: Clock) -> None:
    scheduler = Scheduler(clock, max_batch=3)
    for call_id in range(5):
        scheduler.add(recommend(call_id))
    assert ids(scheduler.take()[0]) == [0, 1, 2]
    assert ids(scheduler.take()[0]) == [3, 4]
    assert scheduler.take() == ([], [])


def test_other_calls_go_first_and_one_by_one(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(recommend(1))
    scheduler.add(Work(2, "ping", None))
    scheduler.add(Work(3, "status", None))
    assert [ids(scheduler.take()[0]) for _ in range(3)] == [[2], [3], [1]]


def test_what_expired_is_given_back_undone_and_takes_no_place_in_the_batch(clock: Clock) -> None:
    scheduler = Scheduler(clock, max_batch=2)
    scheduler.add(recommend(1, expires_at=100.5))
    scheduler.add(recommend(2, expires_at=101.5))
    scheduler.add(recommend(3))
    clock.now = 101.0
    due, expired = scheduler.take()
    assert (ids(due), ids(expired)) == ([2, 3], [1])


def test_a_deadline_of_now_has_passed(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(recommend(1, expires_at=clock.now))
    assert scheduler.take() == ([], [recommend(1, expires_at=clock.now)])


def test_cancel_forgets_a_waiting_call_once(clock: Clock) -> None:
    scheduler = Scheduler(clock)
    scheduler.add(recommend(1))
    scheduler.add(Work(2, "ping", None))
    assert scheduler.cancel(1)
    assert scheduler.cancel(2)
    assert not scheduler.cancel(1)
    assert len(scheduler) == 0
