"""A call of everything, for the clauses that watch what comes."""

from __future__ import annotations

from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import PLAIN, payload


def see_all_ops(peer: Peer) -> None:
    """Call what changes nothing, rightly and wrongly."""
    for op in ("ping", "status", "models", "jump"):
        peer.ask(op)
    for args in ({"user": b"somebody"}, {"user": b"somebody", "n": 0}, {"wings": 2}, {}):
        peer.ask("recommend", args)
    peer.ask("ping", deadline=0)
    for bad in (b"", payload(7, PLAIN)):
        peer.send(bad)
        peer.refusal()
