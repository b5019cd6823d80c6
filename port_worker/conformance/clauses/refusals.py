"""Arguments of the ops that a worker may have: what is wrong with them is refused, by name. Nothing is done."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.asking import offered, with_options
from port_worker.conformance.columns import column
from port_worker.conformance.peer import Peer
from port_worker.conformance.terms import NIL, TRUE, Atom, show
from port_worker.conformance.verdicts import Clause, FailedError, clause, expect, expect_error
from port_worker.conformance.world import World

_MISSING, _INVALID = "missing_argument", "invalid_argument"
_EMPTY = column("int64", b"")
_CUT = column("uuid", bytes(15))

_Case = tuple[dict[str, Any], str, str]
"""Arguments, the code of their refusal, and the name that it says."""

_CASES: dict[str, list[_Case]] = {
    "recommend_many": [
        ({"n": 3}, _MISSING, "users"),
        *(({"users": users}, _INVALID, "users") for users in ([], _EMPTY, _CUT, b"ada", [1.5], NIL)),
        ({"users": [b"ada"], "n": 0}, _INVALID, "n"),
        ({"users": [b"ada"], "kinds": []}, _INVALID, "kinds"),
        ({"users": [b"ada"], "filter_consumed": 1}, _INVALID, "filter_consumed"),
    ],
    "similar": [
        ({"n": 3}, _MISSING, "item"),
        *(({"item": item}, _INVALID, "item") for item in (NIL, 1.5, b"")),
        *(({"item": b"m", "metric": metric}, _INVALID, "metric") for metric in (Atom("euclid"), b"dot", NIL)),
        ({"item": b"m", "n": 0}, _INVALID, "n"),
    ],
    "score": [
        ({"items": [b"m"]}, _MISSING, "user"),
        ({"user": b"ada"}, _MISSING, "items"),
        *(({"user": b"ada", "items": items}, _INVALID, "items") for items in ([], _EMPTY, _CUT, b"m", [NIL])),
        ({"user": b"ada", "items": [b"m"], "form": Atom("rows")}, _INVALID, "form"),
    ],
    "explain": [
        ({"item": b"m"}, _MISSING, "user"),
        ({"user": b"ada"}, _MISSING, "item"),
        ({"user": b"ada", "item": [b"m"]}, _INVALID, "item"),
        ({"user": b"ada", "item": b"m", "n": TRUE}, _INVALID, "n"),
    ],
    "feedback": [
        ({}, _MISSING, "user"),
        ({"user": b"ada"}, _MISSING, "item"),
        ({"users": [b"ada"]}, _MISSING, "items"),
        ({"users": [], "items": []}, _INVALID, "users"),
        ({"users": [b"ada"], "items": [b"m", b"m"]}, _INVALID, "items"),
        ({"users": [b"ada"], "items": [b"m"], "user": b"ada"}, _INVALID, "user"),
        ({"user": b"ada", "item": b"m", "weights": [1.0]}, _INVALID, "weights"),
        ({"user": b"ada", "item": b"m", "weight": b"much"}, _INVALID, "weight"),
        ({"user": b"ada", "item": b"m", "time": -1}, _INVALID, "time"),
        ({"users": [b"ada"], "items": [b"m"], "weights": column("float32", b"\0\0\xc0\x7f")}, _INVALID, "weights"),
        ({"users": [b"ada"], "items": [b"m"], "times": column("int64", bytes(16))}, _INVALID, "times"),
    ],
    "activate": [
        ({}, _MISSING, "version"),
        *(({"version": version}, _INVALID, "version") for version in (b"", 1, NIL, b"v\0", Atom("v1"))),
    ],
    **{
        op: [
            ({}, _MISSING, "items"),
            *(({"items": items}, _INVALID, "items") for items in ([], _EMPTY, _CUT, b"m", [1.5])),
        ]
        for op in ("hide_items", "show_items")
    },
}


def _refused(peer: Peer, op: str, args: dict[str, Any], code: str, name: str) -> None:
    try:
        facts = expect_error(peer.ask(op, args), code)
    except FailedError as error:
        raise FailedError(f"{error} to {op} of {show({Atom(key): value for key, value in args.items()}, 60)}") from None
    expect(name.encode() in facts.get("message", b""), f"a message that names {name}", facts)


def _refuses(op: str) -> Clause:
    def judge(world: World) -> None:
        offered(world.peer, op)
        for args, code, name in _CASES[op]:
            _refused(world.peer, op, args, code, name)
        _refused(world.peer, op, _CASES[op][-1][0] | {"wings": 2}, "unknown_argument", "wings")

    name = op.replace("_", "-")
    return Clause(f"arguments.{name}", f"`{op}`", f"arguments of {op} that are wrong are refused, by name", judge)


OF_OPS = tuple(map(_refuses, _CASES))


@clause("arguments.options", "`recommend`")
def of_recommend(world: World) -> None:
    """kinds, filter_consumed, diversity, recent and features of another type or range are refused, by name"""
    peer = world.peer
    with_options(peer)
    too_long = [7] * (peer.limit("max_recent") + 1)
    wrong: dict[str, list[Any]] = {
        "kinds": [[], b"map", [7], [b""]],
        "filter_consumed": [NIL, 1, b"true"],
        "diversity": [-0.1, 1.1, b"much", TRUE],
        "recent": [[], _EMPTY, _CUT, 7, [1.5], too_long],
        "features": [{}, [], {Atom("age"): 1}, {b"age": NIL}, {b"age": [1]}],
    }
    for name, values in wrong.items():
        for value in values:
            _refused(peer, "recommend", {"user": b"ada", name: value}, _INVALID, name)
