"""Limits: what lies at one passes, what lies above is refused, and the worker goes on."""

from __future__ import annotations

import struct

from port_worker.conformance.clauses.terms import expect_malformed_term
from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import bignum
from port_worker.conformance.verdicts import SkippedError, clause, expect_error
from port_worker.conformance.world import World

_FAR = 100_000
_LEVELS = ((b"l\0\0\0\1", b"j"), (b"h\1", b""), (b"t\0\0\0\1a\1", b""))
"""What opens and closes a list, a tuple and a map of one element."""


def _within(peer: Peer, body: bytes) -> None:
    """The term is read, and found to be no message."""
    peer.send(b"\x83" + body)
    expect_error(peer.refusal(), "malformed_message")


def _beyond(peer: Peer, body: bytes) -> None:
    expect_malformed_term(peer, b"\x83" + body)


def _nested(levels: int, opens: bytes = b"l\0\0\0\1", closes: bytes = b"j") -> bytes:
    """So many containers in each other, and in the innermost one that is empty, which does not count."""
    return opens * levels + b"j" + closes * levels


@clause("limits.depth", "Limits")
def depth(world: World) -> None:
    """max_depth levels that have elements are read, more are refused, 100,000 of them too"""
    most = world.peer.limit("max_depth")
    for opens, closes in _LEVELS:
        _within(world.peer, _nested(most, opens, closes))
        _beyond(world.peer, _nested(most + 1, opens, closes))
    if world.peer.limit("max_frame_bytes") > 6 * _FAR:
        _beyond(world.peer, _nested(_FAR))


def _nils(count: int) -> bytes:
    """A list that is so many terms, itself among them."""
    return struct.pack(">BI", 108, count - 1) + b"j" * count


def _tuple(count: int) -> bytes:
    return struct.pack(">BI", 105, count - 1) + b"j" * (count - 1)


def _maps(count: int, pairs: int) -> bytes:
    """The same of a list that is half of maps."""
    maps = count // 2 // (2 * pairs + 1)
    nils = count - 1 - maps * (2 * pairs + 1)
    return struct.pack(">BI", 108, maps + nils) + _map(pairs) * maps + b"j" * (nils + 1)


@clause("limits.terms", "Limits", needs=["terms.large-tuple"])
def terms(world: World) -> None:
    """max_terms terms are read, more are refused: itself, and every element of a list, tuple or map"""
    most = world.peer.limit("max_terms")
    if most + 100 > world.peer.limit("max_frame_bytes"):
        raise SkippedError("a frame of max_frame_bytes holds no more than max_terms")
    pairs = min(world.peer.limit("max_map_pairs"), 100)
    for body in (_nils, _tuple, lambda count: _maps(count, pairs)):
        _within(world.peer, body(most))
        _beyond(world.peer, body(most + 1))


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
