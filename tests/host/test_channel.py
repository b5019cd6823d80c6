"""Frames over pipes that are full, half read or closed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from port_worker.host.channel import Channel
from protocol.errors import ProtocolError
from protocol.framing import FrameReader, frame


class Pipes:
    def __init__(self) -> None:
        self.from_peer, self.peer_out = os.pipe()
        self.peer_in, self.to_peer = os.pipe()
        self.channel = Channel(self.from_peer, self.to_peer)
        self.open = {self.from_peer, self.peer_out, self.peer_in, self.to_peer}

    def close(self, *fds: int) -> None:
        for fd in fds or tuple(self.open):
            os.close(fd)
            self.open.discard(fd)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.channel.close()
    made.close()


def test_a_frame_in_pieces_is_given_once_it_is_whole(pipes: Pipes) -> None:
    data = frame(b"hello") + frame(b"again")
    os.write(pipes.peer_out, data[:6])
    assert pipes.channel.receive(1.0) == []
    assert not pipes.channel.idle
    os.write(pipes.peer_out, data[6:])
    assert pipes.channel.receive(1.0) == [b"hello", b"again"]


def test_silence_is_idle(pipes: Pipes) -> None:
    assert pipes.channel.receive(0.0) == []
    assert pipes.channel.idle
    assert not pipes.channel.at_end


def test_the_end_of_the_peer_is_seen(pipes: Pipes) -> None:
    os.write(pipes.peer_out, frame(b"last"))
    pipes.close(pipes.peer_out)
    assert pipes.channel.receive(1.0) == [b"last"]
    assert pipes.channel.receive(1.0) == []
    assert pipes.channel.at_end


def test_a_peer_that_does_not_read_blocks_nobody_and_gets_all_of_it_later(pipes: Pipes) -> None:
    payloads = [bytes([k]) * 100_000 for k in range(10)]
    for payload in payloads:
        pipes.channel.send(payload)
    assert pipes.channel.unsent_bytes > 0
    reader = FrameReader()
    received: list[bytes] = []
    while len(received) < len(payloads):
        reader.feed(os.read(pipes.peer_in, 65536))
        pipes.channel.receive(0.0)
        received += reader.frames()
    assert received == payloads
    assert pipes.channel.unsent_bytes == 0


def test_a_peer_that_has_closed_its_input_can_still_be_heard(pipes: Pipes) -> None:
    pipes.close(pipes.peer_in)
    pipes.channel.send(b"nobody reads this")
    assert pipes.channel.unsent_bytes == 0
    os.write(pipes.peer_out, frame(b"farewell"))
    assert pipes.channel.receive(1.0) == [b"farewell"]


def test_bytes_that_are_no_frame_are_refused(pipes: Pipes) -> None:
    os.write(pipes.peer_out, b"print")
    with pytest.raises(ProtocolError) as caught:
        pipes.channel.receive(1.0)
    assert caught.value.code == "frame_too_large"
