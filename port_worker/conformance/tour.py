"""A call of everything, for the clauses that watch what comes."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import PLAIN, payload

_LATER: dict[str, dict[str, Any]] = {
    "recommend_many": {"users": [b"somebody"]},
    "similar": {"item": b"something"},
    "score": {"user": b"somebody", "items": [b"something"]},
    "explain": {"user": b"somebody", "item": b"something"},
    "feedback": {"user": b"somebody"},
    "hide_items": {"items": []},
    "show_items": {"items": []},
    "activate": {"version": b""},
    "rollback": {"wings": 2},
}
"""Calls of the ops that a worker may have; what would change something is refused."""


def see_all_ops(peer: Peer) -> None:
    """Call what changes nothing, rightly and wrongly."""
    for op in ("ping", "status", "models", "jump"):
        peer.ask(op)
    for args in ({"user": b"somebody"}, {"user": b"somebody", "n": 0}, {"wings": 2}, {}):
        peer.ask("recommend", args)
    for op, args in _LATER.items():
        if op in peer.hello.get("ops", ()):
            peer.ask(op, args)
    peer.ask("ping", deadline=0)
    for bad in (b"", payload(7, PLAIN)):
        peer.send(bad)
        peer.refusal()
