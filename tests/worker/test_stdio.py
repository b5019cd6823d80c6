"""The outgoing buffer on a real pipe, with a clock that the test moves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from port_worker.stdio import HostGoneError, Outgoing


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(fd)


def fill(outgoing: Outgoing) -> None:
    outgoing.send(bytes(1_000_000))
    before = -1
    while len(outgoing) != before:
        before = len(outgoing)
        outgoing.flush()


def test_what_was_sent_arrives_in_order_however_little_the_pipe_takes(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outgoing = Outgoing(writing, 60.0, Clock())
    sent = b"".join(index.to_bytes(4, "big") for index in range(100_000))
    outgoing.send(sent[:200_000])
    outgoing.send(sent[200_000:])
    arrived = bytearray()
    while len(arrived) < len(sent):
        outgoing.flush()
        arrived += os.read(reading, 65536)
    assert bytes(arrived) == sent
    assert len(outgoing) == 0


def test_a_host_that_reads_nothing_is_gone_after_the_stall_and_not_before(pipe: tuple[int, int]) -> None:
    clock = Clock()
    outgoing = Outgoing(pipe[1], 60.0, clock)
    fill(outgoing)
    clock.now = 59.9
    outgoing.flush()
    clock.now = 60.0
    with pytest.raises(HostGoneError, match="60 s"):
        outgoing.flush()


def test_a_host_that_reads_a_little_is_waited_for_again(pipe: tuple[int, int]) -> None:
    clock = Clock()
    outgoing = Outgoing(pipe[1], 60.0, clock)
    fill(outgoing)
    clock.now = 50.0
    os.read(pipe[0], 65536)
    outgoing.flush()
    assert outgoing.stalls_at == 110.0


def test_an_empty_buffer_never_stalls(pipe: tuple[int, int]) -> None:
    outgoing = Outgoing(pipe[1], 60.0, Clock())
    outgoing.flush()
    assert outgoing.stalls_at == float("inf")


def test_a_closed_pipe_is_a_host_gone(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    outgoing = Outgoing(pipe[1], 60.0, Clock())
    outgoing.send(b"x")
    with pytest.raises(HostGoneError, match="closed"):
        outgoing.flush()
