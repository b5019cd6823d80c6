"""The order in which what is wrong with a call is said: each call here is wrong in two ways or more."""

from __future__ import annotations

from port_worker.conformance.clauses.messages import expect_malformed
from port_worker.conformance.clauses.retrain import permitted, start_retrain
from port_worker.conformance.clauses.terms import expect_malformed_term
from port_worker.conformance.peer import call
from port_worker.conformance.terms import Atom, Raw, payload, written
from port_worker.conformance.verdicts import clause, expect, expect_error
from port_worker.conformance.world import World

_USER = b"somebody"
_EACH = ("order.unknown-op", "order.unknown-argument", "order.missing-argument", "order.invalid-argument")


@clause("order.term", "Messages", needs=["terms.refused.tag"])
def term(world: World) -> None:
    """a term that is not permitted is said before what is wrong with the message"""
    expect_malformed_term(world.peer, payload((Atom("jump"), Raw(b"\xff"))))


@clause("order.message", "Messages", needs=["messages.args", "messages.deadline"])
def message(world: World) -> None:
    """a malformed message is said before unknown_op"""
    peer = world.peer
    for args, deadline in ((Raw(written([])), 9), ({}, -1)):
        call_id = peer.new_id()
        expect_malformed(peer, call(call_id, "jump", args, deadline), call_id)


@clause("order.unknown-op", "Messages", needs=["messages.unknown-op"])
def unknown_op(world: World) -> None:
    """unknown_op is said before unknown_argument"""
    expect_error(world.peer.ask("jump", {"wings": 2}), "unknown_op")


@clause("order.unknown-argument", "Messages", needs=["arguments.unknown"])
def unknown_argument(world: World) -> None:
    """unknown_argument is said before missing_argument and invalid_argument"""
    for args in ({"wings": 2}, {"user": _USER, "n": 0, "wings": 2}):
        expect_error(world.peer.ask("recommend", args), "unknown_argument")


@clause("order.missing-argument", "Messages", needs=["arguments.missing"])
def missing_argument(world: World) -> None:
    """missing_argument is said before invalid_argument"""
    expect_error(world.peer.ask("recommend", {"n": 0}), "missing_argument")


@clause("order.invalid-argument", "Messages", needs=["frames.joined", "arguments.n"])
def invalid_argument(world: World) -> None:
    """invalid_argument is said before id_in_use"""
    peer = world.peer
    call_id = peer.new_id()
    peer.send(call(call_id, "ping"), call(call_id, "recommend", {"user": _USER, "n": 0}))
    ends = [peer.end_of(call_id) for _ in range(2)]
    errors = [end for end in ends if end[0] == "error"]
    expect(len(errors) == 1, "an ok and an error", ends)
    expect_error(errors[0], "invalid_argument")


@clause("order.id-in-use", "Messages", needs=["retrain.id-in-use", "drain.refuses"])
def id_in_use(world: World) -> None:
    """id_in_use is said before draining"""
    permitted(world)
    with world.fresh() as peer:
        call_id = start_retrain(peer)
        peer.send(call(peer.new_id(), "drain"))
        peer.goes_on()
        peer.send(call(call_id, "models"))
        expect_error(peer.end_of(call_id), "id_in_use")


@clause("order.draining", "Messages", needs=["drain.refuses", *_EACH])
def draining(world: World) -> None:
    """what is wrong with a call itself is said before draining"""
    with world.fresh() as peer:
        peer.ask("drain")
        expect_error(peer.ask("jump"), "unknown_op")
        expect_error(peer.ask("models", {"wings": 2}), "unknown_argument")
        expect_error(peer.ask("recommend", {}), "missing_argument")
        expect_error(peer.ask("recommend", {"user": _USER, "n": 0}), "invalid_argument")


@clause("order.overloaded", "Messages", needs=["frames.joined", "drain.refuses"])
def overloaded(world: World) -> None:
    """draining is said before overloaded"""
    with world.fresh() as peer:
        peer.ask("drain")
        most = peer.limit("max_in_flight")
        ids = [peer.new_id() for _ in range(most + most // 4 + 1)]  # some are answered while the rest is sent
        peer.send(*(call(call_id, "ping") for call_id in ids[1:]), call(ids[0], "models"))
        expect_error(peer.end_of(ids[0]), "draining")
