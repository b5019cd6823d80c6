"""Terms: which tags are read as what, which are refused, and what a worker may send."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from port_worker.conformance.peer import Peer, call
from port_worker.conformance.terms import NIL, TRUE, Atom, Raw, Style, bignum, large_tuple, payload, show, written
from port_worker.conformance.tour import see_all_ops
from port_worker.conformance.verdicts import Clause, SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World


@clause("terms.tags", "Terms", watched=True)
def tags(world: World) -> None:
    """a worker sends the tags that the table names, and no others"""
    see_all_ops(world.peer)


@clause("terms.atoms", "Atoms", watched=True)
def atoms(world: World) -> None:
    """a worker sends atoms of the closed set, and no others"""
    see_all_ops(world.peer)


def _old_atom(tag: int, size_bytes: int) -> Style:
    return Style(atom=lambda name: bytes((tag,)) + len(name).to_bytes(size_bytes, "big") + name.encode())


_OLD_ATOMS = {100: _old_atom(100, 2), 115: _old_atom(115, 1), 118: _old_atom(118, 2)}


def _reads_atoms(tag: int) -> Clause:
    def judge(world: World) -> None:
        expect_ok(world.peer.ask("ping", style=_OLD_ATOMS[tag]))

    return Clause(f"terms.atom-{tag}", "Terms", f"an atom may come under the tag {tag}", judge)


OLD_ATOMS = tuple(map(_reads_atoms, _OLD_ATOMS))


_WIDE = {
    98: lambda value: struct.pack(">Bi", 98, value),
    110: bignum,
    111: lambda value: bignum(value, large=True),
}


@clause("terms.integers", "Terms")
def integers(world: World) -> None:
    """an integer may come under 98, 110 and 111, whatever its value"""
    for write in _WIDE.values():
        expect_ok(world.peer.ask("ping", deadline=60_000, style=Style(integer=write)))


@clause("terms.large-tuple", "Terms")
def wide_tuple(world: World) -> None:
    """a tuple may come under 105"""
    expect_ok(world.peer.ask("ping", style=Style(tuple=large_tuple)))


def _recommend(peer: Peer, args: Any) -> Any:
    """The result without scores' noise; None where there is no model."""
    message = peer.ask("recommend", args)
    if message[0] == "error":
        expect_error(message, "no_model")
        raise SkippedError("it has no model to show a difference with")
    return message[2]


@clause("terms.string", "Terms")
def string(world: World) -> None:
    """107 is read as the list of integers that it is"""
    as_list = _recommend(world.peer, {"user": b"somebody", "exclude": [1, 2, 3]})
    as_string = _recommend(world.peer, {"user": b"somebody", "exclude": Raw(b"k\0\x03\1\2\3")})
    expect(as_string == as_list, "the same answer as for [1, 2, 3]", as_string)


@clause("terms.charlist", "Terms")
def charlist(world: World) -> None:
    """a charlist is no text"""
    expect_error(world.peer.ask("recommend", {"user": Raw(b"k\0\3ada")}), "invalid_argument")


@clause("terms.map-order", "Terms")
def map_order(world: World) -> None:
    """the order of a map's pairs means nothing"""
    one = _recommend(world.peer, {"user": b"somebody", "n": 2})
    other = _recommend(world.peer, {"n": 2, "user": b"somebody"})
    expect(one == other, "the same answer for n before user", other)


@clause("terms.key-float", "Terms")
def float_key(world: World) -> None:
    """a float may be a key of a map, and so may any integer of 64 bits with sign"""
    for key in (1.5, 2**63 - 1, -(2**63)):
        world.peer.send(payload({key: 1}))
        expect_error(world.peer.refusal(), "malformed_message")  # a map is no message, but a term


_ID = 1_000_001
_PING = written(call(_ID, "ping"))
_NODE = written(Atom("n@h"))


def _with(bad: bytes) -> bytes:
    """A ping with a bad term among its arguments; who reads it all the same finds an argument that it does not know."""
    return payload(call(_ID, "ping", {"x": Raw(bad)}))


def _pairs(*flat: bytes) -> bytes:
    return struct.pack(">BI", 116, len(flat) // 2) + b"".join(flat)


_ONE = written(1)
_REFUSED = {
    "version": ("another version byte than 131", b"\x82" + _PING),
    "compressed": ("a compressed term", b"\x83P" + struct.pack(">I", len(_PING)) + zlib.compress(_PING)),
    "pid": ("a pid", _with(b"X" + _NODE + bytes(12))),
    "old-pid": ("a pid, as of old", _with(b"g" + _NODE + bytes(9))),
    "port": ("a port", _with(b"Y" + _NODE + bytes(8))),
    "reference": ("a reference", _with(b"Z\0\1" + _NODE + bytes(8))),
    "fun": ("a fun", _with(b"q" + written(Atom("m")) + written(Atom("f")) + _ONE)),
    "bit-string": ("a bit string", _with(b"M" + struct.pack(">IB", 1, 3) + b"\xe0")),
    "text-float": ("a float as text", _with(b"c" + b"1.5".ljust(31, b"\0"))),
    "improper-list": ("an improper list", _with(b"l\0\0\0\1" + _ONE + _ONE)),
    "list-tail": ("a list whose tail is one of its own", _with(b"l\0\0\0\1" + _ONE + b"l\0\0\0\1" + _ONE + b"j")),
    "key-twice": ("a key twice in a map", _with(_pairs(_ONE, _ONE, _ONE, _ONE))),
    "key-1-and-true": ("1 and true as keys of one map", _with(_pairs(_ONE, _ONE, written(TRUE), _ONE))),
    "key-1-and-float": ("1 and 1.0 as keys of one map", _with(_pairs(_ONE, _ONE, written(1.0), _ONE))),
    "key-float-and-true": ("1.0 and true as keys of one map", _with(_pairs(written(1.0), _ONE, written(TRUE), _ONE))),
    "key-zeros": ("0.0 and -0.0 as keys of one map", _with(_pairs(written(0.0), _ONE, written(-0.0), _ONE))),
    "key-wide": ("an integer of more than 64 bits as a key", _with(_pairs(written(2**64), _ONE))),
    "key-kind": ("a tuple as a key", _with(_pairs(written(()), _ONE))),
    "nan": ("a float that is no number", _with(b"F\x7f\xf8" + bytes(6))),
    "infinity": ("an infinite float", _with(b"F\x7f\xf0" + bytes(6))),
    "atom-utf8": ("an atom that is no UTF-8", _with(b"w\2\xc3\x28")),
    "count": ("a count larger than the bytes left", b"\x83l\xff\xff\xff\xff" + _ONE),
    "cut-short": ("a term that is cut short", b"\x83" + _PING[:-3]),
    "after": ("bytes after the term", b"\x83" + _PING + b"\0"),
    "tag": ("an unknown tag", _with(b"\xff\0\0\0\0")),
}


def _refuses(name: str, what: str, bad: bytes) -> Clause:
    def judge(world: World) -> None:
        expect_malformed_term(world.peer, bad, _ID)

    return Clause(f"terms.refused.{name}", "Terms", f"{what} is refused: malformed_term", judge)


def expect_malformed_term(peer: Peer, bad: bytes, call_id: int = _ID) -> None:
    """Send a payload and see it refused, with no id, because none could be read; then the worker goes on."""
    peer.send(bad)
    message = peer.end_of(NIL, call_id)
    expect_error(message, "malformed_term")
    expect(message[1] == NIL, "nil as the id", message)
    peer.goes_on()


REFUSED = tuple(_refuses(name, what, bad) for name, (what, bad) in _REFUSED.items())


@clause("terms.offset", "Terms", needs=[f"terms.refused.{name}" for name in ("version", "tag", "after")])
def offset(world: World) -> None:
    """details of malformed_term have the byte's offset"""
    for name, where in (("version", 0), ("tag", _REFUSED["tag"][1].index(b"\xff")), ("after", len(_PING) + 1)):
        world.peer.send(_REFUSED[name][1])
        details = expect_error(world.peer.refusal(), "malformed_term").get("details")
        got = details.get(b"offset") if isinstance(details, dict) else None
        expect(type(got) is int and got == where, f"the offset {where} of {_REFUSED[name][0]}", show(details))
