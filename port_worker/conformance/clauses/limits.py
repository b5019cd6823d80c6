"""Limits: what lies at one passes, what lies above is refused, and the worker goes on."""

from __future__ import annotations

import struct

from port_worker.conformance.clauses.terms import expect_malformed_term
from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import bignum
from port_worker.conformance.verdicts import SkippedError, clause, expect_error
from port_worker.conformance.world import World

_FAR = 100_000
_SLACK = 4
"""How far from a limit to stay where SPEC.md leaves open what exactly counts."""


def _within(peer: Peer, body: bytes) -> None:
    """The term is read, and found to be no message."""
    peer.send(b"\x83" + body)
    expect_error(peer.refusal(), "malformed_message")


def _beyond(peer: Peer, body: bytes) -> None:
    expect_malformed_term(peer, b"\x83" + body)


def _nested(levels: int) -> bytes:
    return b"l\0\0\0\1" * levels + b"j" + b"j" * levels


@clause("limits.depth", "Limits")
def depth(world: World) -> None:
    """nesting above max_depth is refused, 100,000 levels of it too"""
    most = world.peer.limit("max_depth")
    _within(world.peer, _nested(most - _SLACK))
    _beyond(world.peer, _nested(most + _SLACK))
    if world.peer.limit("max_frame_bytes") > 6 * _FAR:
        _beyond(world.peer, _nested(_FAR))


def _nils(count: int) -> bytes:
    return struct.pack(">BI", 108, count) + b"j" * (count + 1)


@clause("limits.terms", "Limits")
def terms(world: World) -> None:
    """more than max_terms terms are refused"""
    most = world.peer.limit("max_terms")
    if most + 100 > world.peer.limit("max_frame_bytes"):
        raise SkippedError("a frame of max_frame_bytes holds no more than max_terms")
    _within(world.peer, _nils(most - _SLACK))
    _beyond(world.peer, _nils(most + _SLACK))


def _map(pairs: int) -> bytes:
    keys = (struct.pack(">Bi", 98, index) for index in range(pairs))
    return struct.pack(">BI", 116, pairs) + b"".join(key + b"j" for key in keys)


@clause("limits.map-pairs", "Limits")
def map_pairs(world: World) -> None:
    """a map of more than max_map_pairs pairs is refused"""
    most = world.peer.limit("max_map_pairs")
    _within(world.peer, _map(most))
    _beyond(world.peer, _map(most + 1))


@clause("limits.bignum", "Limits")
def big_integer(world: World) -> None:
    """an integer of more than max_bignum_bytes is refused, and one of 100,000 too"""
    most = world.peer.limit("max_bignum_bytes")
    _within(world.peer, bignum(256**most - 1, large=True))
    _beyond(world.peer, bignum(256**most, large=True))
    if world.peer.limit("max_frame_bytes") > _FAR + 10:
        _beyond(world.peer, struct.pack(">BIB", 111, _FAR, 0) + b"\xff" * _FAR)


def _atom(size: int) -> bytes:
    return struct.pack(">BH", 118, size) + b"a" * size


@clause("limits.atom", "Limits")
def atom(world: World) -> None:
    """an atom of more than max_atom_bytes, or of more than 255 characters, is refused"""
    most = min(255, world.peer.limit("max_atom_bytes"))
    _within(world.peer, _atom(most))
    _beyond(world.peer, _atom(most + 1))
