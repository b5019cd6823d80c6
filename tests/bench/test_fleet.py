"""Several workers behind one wait, on stub processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from port_worker.bench.fleet import Fleet, Link
from port_worker.bench.wire import AnswerReader, CallWriter
from port_worker.host import WorkerGone
from tests.peers.stubs import ENVIRONMENT, stub_command

CALL = CallWriter().prepare("recommend", {"user": "ada", "n": 3})
_SOON_S = 10.0


def link(**faults: Any) -> Link:
    return Link.start(stub_command(**faults), env=ENVIRONMENT)


def spawned(**faults: Any) -> Link:
    return Link.spawn(stub_command(**faults), env=ENVIRONMENT)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def heard(fleet: Fleet, count: int) -> list[tuple[int, Any]]:
    """So many messages, by worker."""
    found: list[tuple[int, Any]] = []
    until = time.monotonic() + _SOON_S
    while len(found) < count and time.monotonic() < until:
        for worker in fleet.wait(0.1):
            found += [(worker, AnswerReader().read(payload)) for payload in fleet.receive(worker)]
    return found


def is_gone(fleet: Fleet, worker: int) -> bool:
    until = time.monotonic() + _SOON_S
    while time.monotonic() < until:
        if any(has_ended(fleet, readable) for readable in fleet.wait(0.1) if readable == worker):
            return True
    return False


def has_ended(fleet: Fleet, worker: int) -> bool:
    try:
        fleet.receive(worker)
    except WorkerGone:
        return True
    return False


def test_each_worker_answers_what_it_was_sent(stack: ExitStack) -> None:
    fleet = stack.enter_context(Fleet([link(), link()]))
    ids = [fleet.new_id() for _ in range(3)]
    fleet.send(0, CALL.payload(ids[0]), CALL.payload(ids[1]))
    fleet.send(1, CALL.payload(ids[2]))
    answers = sorted((worker, answer.id) for worker, answer in heard(fleet, 3))
    assert answers == [(0, ids[0]), (0, ids[1]), (1, ids[2])]


def test_a_place_that_is_paused_is_written_to_and_not_read(stack: ExitStack) -> None:
    fleet = stack.enter_context(Fleet([link(), link()]))
    fleet.paused.add(0)
    for worker in (0, 1):
        fleet.send(worker, CALL.payload(fleet.new_id()))
    assert [worker for worker, _ in heard(fleet, 1)] == [1]
    fleet.paused.clear()
    assert [worker for worker, _ in heard(fleet, 1)] == [0]


def test_what_a_worker_has_not_taken_goes_on_by_itself(stack: ExitStack) -> None:
    """More than a pipe holds, to a worker that is not read from: it is written as the worker takes it."""
    fleet = stack.enter_context(Fleet([link()]))
    count = 5000
    fleet.send(0, *(CALL.payload(fleet.new_id()) for _ in range(count)))
    assert fleet.unsent_bytes(0) > 0
    assert len(heard(fleet, count)) == count
    assert fleet.unsent_bytes(0) == 0


def test_a_worker_that_was_killed_comes_back_at_its_place(stack: ExitStack) -> None:
    fleet = stack.enter_context(Fleet([link(), link()], spawned))
    before = fleet.pids()
    assert fleet.kill(1)
    assert is_gone(fleet, 1)
    assert fleet.ended == [-9]
    assert list(fleet.ready()) == [0]
    assert not fleet.kill(1), "it is starting"
    assert fleet.comes_back()
    until = time.monotonic() + _SOON_S
    while fleet.comes_back() and time.monotonic() < until:
        assert heard(fleet, 0) == []
        for worker in fleet.wait(0.1):
            assert fleet.receive(worker) == [], "a hello is no answer"
    assert list(fleet.ready()) == [0, 1]
    assert fleet.pids()[0] == before[0]
    assert fleet.pids()[1] != before[1]
    fleet.send(1, CALL.payload(fleet.new_id()))
    assert [worker for worker, _ in heard(fleet, 1)] == [1]


@pytest.mark.parametrize("faults", [{"garbage": True}, {"protocol": 99}])
def test_a_worker_that_does_not_say_hello_is_not_started_again(stack: ExitStack, faults: dict[str, Any]) -> None:
    started = []

    def respawn() -> Link:
        started.append(1)
        return spawned(**faults)

    fleet = stack.enter_context(Fleet([link(die_after=1)], respawn))
    fleet.send(0, CALL.payload(fleet.new_id()))
    assert is_gone(fleet, 0)
    assert is_gone(fleet, 0)
    assert not fleet.comes_back()
    assert started == [1]


def test_without_a_supervisor_a_place_stays_empty(stack: ExitStack) -> None:
    fleet = stack.enter_context(Fleet([link(die_after=1)]))
    fleet.send(0, CALL.payload(fleet.new_id()))
    assert is_gone(fleet, 0)
    assert (fleet.pids(), list(fleet.ready()), fleet.ended) == ([None], [], [3])
    assert list(fleet.wait(0.0)) == []
    assert fleet.receive(0) == []


def test_no_worker_outlives_the_fleet() -> None:
    with Fleet([link(), link()]) as fleet:
        pids = [pid for pid in fleet.pids() if pid is not None]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
