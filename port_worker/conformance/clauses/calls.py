"""Calls: each ends once, however it ends."""

from __future__ import annotations

from collections import Counter

from port_worker.conformance.peer import Message, Peer, call, cancel, frame
from port_worker.conformance.terms import payload
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_BURST = 500


def ends_of_calls(peer: Peer, count: int) -> list[Message]:
    """Send so many pings in one go, then EOF; one end of each. Raises FailedError for fewer or more."""
    ids = [peer.new_id() for _ in range(count)]
    peer.send(*(call(call_id, "ping") for call_id in ids))
    ends = [message for message in peer.rest() if message[0] in ("ok", "error")]
    times = Counter(message[1] for message in ends)
    odd = [call_id for call_id in {*ids, *times} if times[call_id] != (call_id in ids)]
    expect(not odd, f"one end for each of {count} calls", f"{times[odd[0]] if odd else 1} for id {odd[:1]}")
    return ends


@clause("calls.one-end", "Messages", needs=["frames.joined"])
def one_end(world: World) -> None:
    """each of many calls that come together ends with exactly one ok or error"""
    with world.fresh() as peer:
        for end in ends_of_calls(peer, min(_BURST, peer.limit("max_in_flight"))):
            expect_ok(end)


@clause("calls.overloaded", "Session", needs=["frames.joined", "calls.one-end"])
def overloaded(world: World) -> None:
    """more than max_in_flight calls at a time end with overloaded"""
    with world.fresh() as peer:
        most = peer.limit("max_in_flight")
        count = most + most // 4 + 1  # some are answered while the rest is sent
        refused = [end for end in ends_of_calls(peer, count) if end[0] == "error"]
        for end in refused:
            expect_error(end, "overloaded")
        if not refused:
            raise SkippedError(f"it answers faster than {count} calls can be sent")


@clause("calls.deadline-0", "Deadlines and cancelling")
def deadline_0(world: World) -> None:
    """a deadline of 0 has passed already: deadline_exceeded"""
    for op, args in (("ping", {}), ("status", {}), ("recommend", {"user": b"somebody"})):
        expect_error(world.peer.ask(op, args, deadline=0), "deadline_exceeded")


@clause("calls.cancel-unknown", "Deadlines and cancelling", needs=["frames.joined"])
def cancel_unknown(world: World) -> None:
    """a cancel of an id that is not in flight is ignored: never used"""
    with world.fresh() as peer:
        peer.send(cancel(77))
        peer.goes_on()
        _nothing_more(peer)


@clause("calls.cancel-finished", "Deadlines and cancelling", needs=["frames.joined"])
def cancel_finished(world: World) -> None:
    """a cancel of an id that is not in flight is ignored: ended already"""
    with world.fresh() as peer:
        call_id = peer.new_id()
        peer.send(call(call_id, "ping"))
        expect_ok(peer.end_of(call_id))
        peer.send(cancel(call_id))
        peer.goes_on()
        _nothing_more(peer)


def _nothing_more(peer: Peer) -> None:
    more = [message for message in peer.rest() if message[0] in ("ok", "error")]
    expect(not more, "no answer of its own to a cancel", more)


@clause("calls.cancel", "Deadlines and cancelling", needs=["frames.joined"])
def cancelled(world: World) -> None:
    """a cancelled call ends once: with cancelled, or with its answer if that was on the way"""
    with world.fresh() as peer:
        call_id = peer.new_id()
        peer.send(call(call_id, "recommend", {"user": b"somebody"}), cancel(call_id))
        ends = [message for message in peer.rest() if message[0] in ("ok", "error")]
        expect(len(ends) == 1, "one end of the call", ends)
        if ends[0][0] == "error":
            expect_error(ends[0], "cancelled", "no_model")


@clause("calls.id-again", "Messages")
def id_again(world: World) -> None:
    """the id of a call that has ended may be used again"""
    peer = world.peer
    call_id = peer.new_id()
    for _ in range(2):
        peer.send(call(call_id, "ping"))
        expect_ok(peer.end_of(call_id))


@clause("calls.id-in-use", "Errors", needs=["frames.joined"])
def id_in_use(world: World) -> None:
    """a call with the id of one in flight ends with id_in_use, and the other goes on"""
    with world.fresh() as peer:
        call_id = peer.new_id()
        peer.send_bytes(2 * frame(payload(call(call_id, "ping"))))
        ends = [message for message in peer.rest() if message[0] in ("ok", "error") and message[1] == call_id]
        expect(len(ends) == 2, "one end for each of the two", ends)
        refused = [end for end in ends if end[0] == "error"]
        expect(len(refused) < 2, "an answer to the first call", ends)
        if not refused:
            raise SkippedError("it answers a call before it reads the next, so no id is in flight")
        expect_error(refused[0], "id_in_use")
