"""Arguments: each that is wrong is refused, by name."""

from __future__ import annotations

import uuid
from typing import Any

from port_worker.conformance.columns import column
from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import NIL, TRUE, Atom, show
from port_worker.conformance.verdicts import FailedError, SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_USER = b"somebody"


def _refused(peer: Peer, name: str, args: dict[Any, Any], code: str) -> None:
    """The call is refused, by the argument's name."""
    try:
        facts = expect_error(peer.ask("recommend", args), code)
    except FailedError as error:
        raise FailedError(f"{error} to {show(args, 60)}") from None
    expect(name.encode() in facts.get("message", b""), f"a message that names {name}", facts)


def _invalid(peer: Peer, name: str, values: list[Any]) -> None:
    for value in values:
        _refused(peer, name, {"user": _USER, name: value}, "invalid_argument")


@clause("arguments.unknown", "Messages")
def unknown(world: World) -> None:
    """an argument that the op has not is refused by name, whichever the op"""
    for op in ("ping", "status", "models", "drain"):
        facts = expect_error(world.peer.ask(op, {"wings": 2}), "unknown_argument")
        expect(b"wings" in facts.get("message", b""), "a message that names wings", facts)
    _refused(world.peer, "wings", {"user": _USER, "wings": 2}, "unknown_argument")


@clause("arguments.missing", "Errors")
def missing(world: World) -> None:
    """a required argument that is absent is named"""
    _refused(world.peer, "user", {}, "missing_argument")


@clause("arguments.n", "`recommend`")
def n(world: World) -> None:
    """n is an integer from 1 to max_items"""
    most = world.peer.limit("max_items")
    _invalid(world.peer, "n", [0, -1, most + 1, 2**70, 1.5, b"ten", TRUE, NIL, [3]])


@clause("arguments.n-largest", "Limits")
def n_largest(world: World) -> None:
    """n may be max_items"""
    if not world.peer.has_model:
        raise SkippedError("it has no model")
    most = world.peer.limit("max_items")
    count = len(expect_ok(world.peer.ask("recommend", {"user": _USER, "n": most}))["items"])
    expect(count <= most, f"at most {most} items", f"{count}")


@clause("arguments.user", "Ops")
def user(world: World) -> None:
    """an id is an integer of 64 bits with sign, a binary of 1 to max_id_bytes bytes without NUL, or one UUID"""
    too_long = b"x" * (world.peer.limit("max_id_bytes") + 1)
    _invalid(world.peer, "user", [b"", too_long, b"\xff", b"a\0b", 2**63, -(2**63) - 1, 1.0, NIL, TRUE, [1], {}])
    columns = (column("uuid", bytes(15)), column("uuid", bytes(32)), column("int64", bytes(8)), column("uuid", b""))
    _invalid(world.peer, "user", [*columns, (Atom("uuid"), 1), (b"uuid", bytes(16))])


@clause("arguments.user-uuid", "Ops")
def user_uuid(world: World) -> None:
    """{uuid, Binary} of 16 bytes is the same id as its text"""
    value = uuid.UUID(int=0x00112233445566778899AABBCCDDEEFF)
    answers = [
        world.peer.ask("recommend", {"user": each})[2] for each in (str(value).encode(), column("uuid", value.bytes))
    ]
    expect(answers[0] == answers[1], "the answer to its text", answers[1])


@clause("arguments.user-range", "Ops")
def user_range(world: World) -> None:
    """an id may be as large and as long as its bounds"""
    for value in (2**63 - 1, -(2**63), b"x", "\u017e".encode(), b"x" * world.peer.limit("max_id_bytes")):
        message = world.peer.ask("recommend", {"user": value})
        if message[0] == "error":
            expect_error(message, "no_model")


@clause("arguments.exclude", "`recommend`")
def exclude(world: World) -> None:
    """exclude is a list of ids, or a column of them"""
    _invalid(world.peer, "exclude", [b"m1", {b"m1": 1}, [1, 2.5], [NIL], [b""]])


@clause("arguments.exclude-column", "Columns")
def exclude_column(world: World) -> None:
    """a column that is no whole number of ids, or none of ids, is refused"""
    _invalid(
        world.peer,
        "exclude",
        [column("int64", bytes(12)), column("uuid", bytes(24)), column("float32", bytes(8)), (b"int64", bytes(8))],
    )


@clause("arguments.exclude-most", "Limits")
def exclude_most(world: World) -> None:
    """exclude has at most max_exclude elements"""
    most = world.peer.limit("max_exclude")
    if most + 20 > world.peer.limit("max_terms"):
        raise SkippedError("a frame of max_terms holds no more than max_exclude")
    message = world.peer.ask("recommend", {"user": _USER, "exclude": [7] * most})
    if message[0] == "error":
        expect_error(message, "no_model")
    _invalid(world.peer, "exclude", [[7] * (most + 1)])


@clause("arguments.exclude-most-column", "Limits")
def exclude_most_column(world: World) -> None:
    """a column to exclude has at most max_exclude ids"""
    most = world.peer.limit("max_exclude")
    if 8 * most + 200 > world.peer.limit("max_frame_bytes"):
        raise SkippedError("a frame of max_frame_bytes holds no more than max_exclude")
    message = world.peer.ask("recommend", {"user": _USER, "exclude": column("int64", bytes(8 * most))})
    if message[0] == "error":
        expect_error(message, "no_model")
    _invalid(world.peer, "exclude", [column("int64", bytes(8 * (most + 1)))])


@clause("arguments.form", "`recommend`")
def form(world: World) -> None:
    """form is one of the atoms pairs and columns"""
    _invalid(world.peer, "form", [b"columns", Atom("rows"), 1, TRUE, [Atom("pairs")]])
