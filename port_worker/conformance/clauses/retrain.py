"""Retrain: one at a time, and given up by cancel, deadline and EOF. Judged only where it is permitted to train."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.peer import Peer, call, cancel
from port_worker.conformance.shapes import COUNT, NUMBER, SHARE, breach, one_of, or_nil
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_SOON_MS = 1
_UNABLE = (
    *("algorithm_unavailable", "training_unavailable"),
    *("source_missing", "source_unreadable", "source_missing_column", "source_invalid_row", "source_empty"),
)
_PROGRESS = {
    "phase": one_of("extract", "prepare", "fit", "export", "load"),
    "share": SHARE,
    "epoch": or_nil(COUNT),
    "epochs": or_nil(COUNT),
    "loss": or_nil(NUMBER),
    "rows": or_nil(COUNT),
}


def permitted(world: World) -> None:
    """See that it may train. Raises SkippedError."""
    if not world.options.retrain:
        raise SkippedError("makes the worker train: ask for it with --retrain")


def start_retrain(peer: Peer) -> int:
    """Start a retrain and see it run. Raises SkippedError where that cannot be."""
    call_id = peer.new_id()
    peer.send(call(call_id, "retrain"))
    status = expect_ok(peer.ask("status"))
    if status.get("in_flight", 0) < 2:
        raise SkippedError(f"no retrain runs: {_why(peer.progress_of(call_id))}")
    return call_id


def _why(message: tuple[Any, ...]) -> str:
    return str(message[2].get("code")) if message[0] == "error" else "it is done at once"


@clause("retrain.cancel", "`retrain`", needs=["frames.joined"])
def given_up(world: World) -> None:
    """a cancelled retrain ends once, with cancelled; meanwhile calls are answered; the model stays"""
    permitted(world)
    with world.fresh() as peer:
        before = expect_ok(peer.ask("status"))["model"]
        call_id = start_retrain(peer)
        peer.goes_on()
        peer.send(cancel(call_id))
        expect_error(peer.end_of(call_id), "cancelled")
        after = expect_ok(peer.ask("status"))["model"]
        expect(before == after, "the model as before", after)
        ends = [message for message in peer.rest() if message[0] in ("ok", "error")]
        expect(not ends, "one end", ends)


@clause("retrain.deadline", "`retrain`")
def deadline(world: World) -> None:
    """a retrain whose deadline passes ends with deadline_exceeded"""
    permitted(world)
    with world.fresh() as peer:
        end = peer.ask("retrain", deadline=_SOON_MS)
        code = end[2].get("code") if end[0] == "error" else None
        if code in _UNABLE:
            raise SkippedError(f"no retrain runs: {code}")
        expect_error(end, "deadline_exceeded")


@clause("retrain.progress", "`retrain`", needs=["frames.joined"])
def progress(world: World) -> None:
    """progress has phase, share, epoch, epochs, loss and rows"""
    permitted(world)
    with world.fresh() as peer:
        call_id = start_retrain(peer)
        message = peer.progress_of(call_id)
        if message[0] != "progress":
            raise SkippedError(f"no progress before its end: {_why(message)}")
        wrong = breach(message[2], _PROGRESS)
        expect(not wrong, wrong, message)


@clause("retrain.one", "Errors", needs=["frames.joined"])
def one(world: World) -> None:
    """a retrain while one runs is refused with training_in_progress"""
    permitted(world)
    with world.fresh() as peer:
        start_retrain(peer)
        expect_error(peer.ask("retrain"), "training_in_progress")


@clause("retrain.id-in-use", "Errors", needs=["frames.joined"])
def live_id(world: World) -> None:
    """a call with the id of a running retrain ends with id_in_use"""
    permitted(world)
    with world.fresh() as peer:
        call_id = start_retrain(peer)
        peer.send(call(call_id, "ping"))
        expect_error(peer.end_of(call_id), "id_in_use")


@clause("retrain.eof", "Frames", needs=["frames.joined", "frames.eof"])
def eof(world: World) -> None:
    """EOF cancels a running retrain, whose call is answered, then status 0"""
    permitted(world)
    with world.fresh() as peer:
        call_id = start_retrain(peer)
        ends = [message for message in peer.rest() if message[0] in ("ok", "error") and message[1] == call_id]
        expect(len(ends) == 1, "one end of the retrain", ends)
        expect(peer.status() == 0, "the exit status 0", f"{peer.status()}")


@clause("retrain.drain", "`drain`", needs=["frames.joined"])
def drain(world: World) -> None:
    """drain waits until every other call has ended"""
    permitted(world)
    with world.fresh() as peer:
        call_id = start_retrain(peer)
        drain_id = peer.new_id()
        peer.send(call(drain_id, "drain"))
        peer.goes_on()
        expect(not peer.has_end_of(drain_id), "drain to wait for the retrain", "its answer")
        peer.send(cancel(call_id))
        first = peer.end_of(call_id, drain_id)
        expect(first[1] == call_id, "the retrain's end before that of drain", first)
        expect_ok(peer.end_of(drain_id))
