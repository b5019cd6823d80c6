"""Frames: how bytes become payloads, and what their end means."""

from __future__ import annotations

from collections import Counter

from port_worker.conformance.peer import Message, Peer, call, frame
from port_worker.conformance.terms import payload
from port_worker.conformance.tour import see_all_ops
from port_worker.conformance.verdicts import clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_DATA_ERROR = 65
_MANY = 2000


@clause("frames.only-frames", "Frames", watched=True)
def only_frames(world: World) -> None:
    """stdout carries frames and nothing else"""
    with world.fresh() as peer:
        see_all_ops(peer)
        peer.rest()


def _pings(peer: Peer, count: int) -> tuple[list[int], bytes]:
    ids = [peer.new_id() for _ in range(count)]
    return ids, b"".join(frame(payload(call(call_id, "ping"))) for call_id in ids)


@clause("frames.split", "Frames")
def split(world: World) -> None:
    """a frame may be split at every byte"""
    peer = world.peer
    for at in range(1, len(_pings(peer, 1)[1])):
        (call_id,), data = _pings(peer, 1)
        peer.send_bytes(data[:at])
        peer.process.settle()
        peer.send_bytes(data[at:])
        expect_ok(peer.answer_to(call_id))


@clause("frames.bytewise", "Frames")
def bytewise(world: World) -> None:
    """a frame may come byte by byte"""
    peer = world.peer
    (call_id,), data = _pings(peer, 1)
    for index in range(len(data)):
        peer.send_bytes(data[index : index + 1])
        peer.process.settle()
    expect_ok(peer.answer_to(call_id))


@clause("frames.joined", "Frames")
def joined(world: World) -> None:
    """several frames may come together"""
    ids, data = _pings(world.peer, 3)
    world.peer.send_bytes(data)
    for call_id in ids:
        expect_ok(world.peer.end_of(call_id))


@clause("frames.straddling", "Frames", needs=["frames.joined", "frames.split"])
def straddling(world: World) -> None:
    """a frame may come together with a part of the next"""
    (first, second), data = _pings(world.peer, 2)
    cut = len(data) // 2 + 3
    world.peer.send_bytes(data[:cut])
    expect_ok(world.peer.end_of(first))
    world.peer.send_bytes(data[cut:])
    expect_ok(world.peer.answer_to(second))


@clause("frames.empty", "Frames")
def empty(world: World) -> None:
    """a payload of no bytes is not one term: malformed_term"""
    world.peer.send(b"")
    expect_error(world.peer.refusal(), "malformed_term")
    world.peer.goes_on()


@clause("frames.largest", "Limits")
def largest(world: World) -> None:
    """a payload of max_frame_bytes is read"""
    size = world.peer.limit("max_frame_bytes")
    world.peer.send(payload(bytes(size - len(payload(b"")))))
    expect_error(world.peer.refusal(), "malformed_message")  # a binary is no message
    world.peer.goes_on()


@clause("frames.too-large", "Frames", needs=["frames.joined"])
def too_large(world: World) -> None:
    """a length above max_frame_bytes: frame_too_large at once, what came before is answered, a line, status 65"""
    for excess in (1, None):
        with world.fresh() as peer:
            length = 2**32 - 1 if excess is None else peer.limit("max_frame_bytes") + excess
            (call_id,), data = _pings(peer, 1)
            peer.send_bytes(data + length.to_bytes(4, "big"))
            expect_error(peer.refusal(), "frame_too_large")
            expect_ok(peer.end_of(call_id))
            peer.remainder()
            _ends_with(peer, _DATA_ERROR)
            _says_why(peer)


def _ends_with(peer: Peer, status: int) -> None:
    got = peer.status()
    expect(got == status, f"the exit status {status}", f"{got}")


def _says_why(peer: Peer) -> None:
    expect(peer.process.stderr.strip(), "a line on stderr that says why it ends", "nothing there")


@clause("frames.eof", "Frames", needs=["frames.joined"])
def eof(world: World) -> None:
    """EOF after a whole frame: the calls that were read are answered, no event draining, status 0"""
    with world.fresh() as peer:
        ids, data = _pings(peer, 3)
        peer.send_bytes(data)
        messages = peer.rest()
        _each_once(messages, ids)
        events = [message[1] for message in messages if message[0] == "event"]
        expect(
            "draining" not in events, "no event draining, which is that of drain and SIGTERM", f"the events {events}"
        )
        _ends_with(peer, 0)


@clause("frames.eof-within", "Frames", needs=["frames.joined", "frames.straddling"])
def eof_within(world: World) -> None:
    """EOF within a frame: the calls that were read are answered, a line on stderr, status 65"""
    for part in (b"\0\0", b"\0\0\0\x10part"):
        with world.fresh() as peer:
            ids, data = _pings(peer, 1)
            peer.send_bytes(data + part)
            _each_once(peer.rest(), ids)
            _ends_with(peer, _DATA_ERROR)
            _says_why(peer)


def _each_once(messages: list[Message], ids: list[int]) -> None:
    ends = Counter(message[1] for message in messages if message[0] == "ok")
    wrong = [f"{call_id}: {ends[call_id]}" for call_id in ids if ends[call_id] != 1]
    expect(not wrong, f"one ok for each of {len(ids)} calls", f"for {len(wrong)} others, such as {wrong[:3]}")


@clause("frames.unread", "Frames", needs=["frames.joined"])
def unread(world: World) -> None:
    """while the host does not read, nothing is lost"""
    with world.fresh() as peer:
        ids = [peer.new_id() for _ in range(min(_MANY, peer.limit("max_in_flight")))]
        data = b"".join(frame(payload(call(call_id, "status"))) for call_id in ids)
        pushed = 1
        while data and pushed:
            pushed = peer.process.push(data) or 0
            data = data[pushed:]
            peer.process.fill()
        peer.send_bytes(data)
        _each_once(peer.rest(), ids)
