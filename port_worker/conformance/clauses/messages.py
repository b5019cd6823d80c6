"""Messages: what is none, and what of a call can be wrong."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.peer import Peer, call, cancel
from port_worker.conformance.terms import FALSE, INFINITY, NIL, Atom, Raw, payload, show, written
from port_worker.conformance.tour import see_all_ops
from port_worker.conformance.verdicts import FailedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_MAX_CALL_ID = 2**63 - 1
_MAX_DEADLINE_MS = 604_800_000


@clause("messages.shapes", "Messages", watched=True)
def shapes(world: World) -> None:
    """what a worker sends is hello, progress, ok, error or event, of their sizes and types"""
    see_all_ops(world.peer)


def expect_malformed(peer: Peer, message: Any, call_id: object) -> None:
    """The message is refused, with an id where one can be read (`call_id`), and the worker goes on."""
    peer.send(payload(message))
    end = peer.end_of(NIL, *(message[1:2] if isinstance(message, tuple) else ()))
    try:
        expect_error(end, "malformed_message")
        expect(end[1] == call_id, f"the id {show(call_id)}", end)
    except FailedError as error:
        raise FailedError(f"{error} to {show(message)}") from None
    peer.goes_on()


@clause("messages.none", "Messages")
def none(world: World) -> None:
    """a term that is no message is answered with malformed_message, and the worker goes on"""
    terms: list[Any] = [7, b"ping", [], {}, (), Atom("ping"), (1, 2), (Atom("jump"), 1), (Atom("ok"), 1, NIL)]
    for term in terms:
        expect_malformed(world.peer, term, NIL)


@clause("messages.size", "Messages")
def size(world: World) -> None:
    """a call or a cancel with more or fewer elements is no message; a call has its id all the same"""
    peer = world.peer
    whole = call(peer.new_id(), "ping")
    for term in (whole[:1], whole[:2], whole[:4], (*whole, NIL), (*cancel(peer.new_id()), NIL), (Atom("cancel"),)):
        has_id = term[0] == "call" and len(term) > 1
        expect_malformed(peer, term, term[1] if has_id else NIL)


@clause("messages.id", "Messages")
def call_id(world: World) -> None:
    """an id that is no integer from 0 to max_call_id is malformed, and answered with nil as the id"""
    for bad in (-1, _MAX_CALL_ID + 1, 1.5, b"1", Atom("one"), [1]):
        expect_malformed(world.peer, call(bad, "ping"), NIL)


@clause("messages.id-range", "Limits")
def id_range(world: World) -> None:
    """ids reach from 0 to max_call_id, and come back as they are"""
    for good in (0, 2**31, 2**32, _MAX_CALL_ID):
        world.peer.send(call(good, "ping"))
        expect_ok(world.peer.answer_to(good))


@clause("messages.op", "Messages")
def op(world: World) -> None:
    """an op that is no atom is malformed"""
    for bad in (b"ping", 1, [Atom("ping")]):
        call_id = world.peer.new_id()
        expect_malformed(world.peer, call(call_id, bad), call_id)


@clause("messages.unknown-op", "Errors")
def unknown_op(world: World) -> None:
    """an op that is not there ends the call with unknown_op"""
    expect_error(world.peer.ask("jump"), "unknown_op")


@clause("messages.args", "Messages")
def args(world: World) -> None:
    """arguments that are no map are malformed"""
    values: list[Any] = [[], (), b"", 1, Atom("x")]
    for bad in values:
        call_id = world.peer.new_id()
        expect_malformed(world.peer, call(call_id, "ping", Raw(written(bad))), call_id)


@clause("messages.args-keys", "Messages")
def args_keys(world: World) -> None:
    """a key of the arguments that is no atom is malformed"""
    for bad in (b"n", 1, 1.5):
        call_id = world.peer.new_id()
        expect_malformed(world.peer, call(call_id, "ping", {bad: 1}), call_id)


@clause("messages.deadline", "Deadlines and cancelling")
def deadline(world: World) -> None:
    """a deadline that is neither infinity nor an integer from 0 to max_deadline_ms is malformed"""
    for bad in (-1, _MAX_DEADLINE_MS + 1, 1.5, b"1000", FALSE, Atom("never"), NIL):
        call_id = world.peer.new_id()
        expect_malformed(world.peer, call(call_id, "ping", deadline=bad), call_id)


@clause("messages.deadline-range", "Deadlines and cancelling")
def deadline_range(world: World) -> None:
    """a deadline of max_deadline_ms is taken, as infinity is"""
    for good in (60_000, _MAX_DEADLINE_MS, INFINITY):
        expect_ok(world.peer.ask("ping", deadline=good))


@clause("messages.cancel", "Messages")
def bad_cancel(world: World) -> None:
    """a cancel whose id is none is malformed"""
    for bad in (-1, b"1", 1.5, NIL):
        expect_malformed(world.peer, cancel(bad), NIL)
