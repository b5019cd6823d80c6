"""Which version answers: `activate` and `rollback`. What changes it is judged only where that is permitted."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.asking import STRANGER, offered
from port_worker.conformance.clauses.feeding import permitted
from port_worker.conformance.peer import Peer
from port_worker.conformance.shapes import TEXT, breach, or_nil
from port_worker.conformance.terms import NIL
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_SHAPE = {"version": TEXT, "algorithm": TEXT, "previous": or_nil(TEXT)}
_NOWHERE = b"19700101T000000Z-none-000000"


def _two_versions(peer: Peer) -> tuple[bytes, bytes]:
    """The active version and another that is intact. Raises SkippedError where there are no two."""
    listed = expect_ok(peer.ask("models"))
    others = [
        each["version"] for each in listed["versions"] if each["version"] != listed["active"] and each["damaged"] == NIL
    ]
    if listed["active"] == NIL or not others:
        raise SkippedError("it has no two intact versions")
    return listed["active"], others[0]


def _switched(peer: Peer, op: str, args: dict[str, Any], version: bytes, previous: bytes) -> None:
    """The result says so, and so does the next answer."""
    result = expect_ok(peer.ask(op, args))
    wrong = breach(result, _SHAPE)
    expect(not wrong, wrong, result)
    expect((result["version"], result["previous"]) == (version, previous), f"{version!r} after {previous!r}", result)
    answer = expect_ok(peer.ask("recommend", {"user": STRANGER}))
    expect(answer["model"] == version, f"{version!r} as the model", answer)


@clause("ops.activate-unknown", "`activate`")
def unknown(world: World) -> None:
    """activate of a version that is not stored fails with unknown_version, and what served goes on serving"""
    peer = world.peer
    offered(peer, "activate")
    before = expect_ok(peer.ask("models"))["active"]
    expect_error(peer.ask("activate", {"version": _NOWHERE}), "unknown_version")
    after = expect_ok(peer.ask("models"))["active"]
    expect(after == before, f"{before!r} as active", after)


@clause("ops.activate", "`activate`", needs=["ops.models", "ops.recommend"])
def activate(world: World) -> None:
    """activate has another version answer, and says which one did before"""
    permitted(world, "activate")
    peer = world.peer
    old, new = _two_versions(peer)
    _switched(peer, "activate", {"version": new}, new, old)
    _switched(peer, "activate", {"version": old}, old, new)


@clause("ops.rollback", "`rollback`", needs=["ops.activate"])
def rollback(world: World) -> None:
    """rollback has the version answer that did before the last activate"""
    permitted(world, "rollback")
    peer = world.peer
    old, new = _two_versions(peer)
    _switched(peer, "activate", {"version": new}, new, old)
    _switched(peer, "rollback", {}, old, new)
