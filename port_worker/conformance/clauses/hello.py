"""Hello: the first frame, and what it says."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.peer import call, frame
from port_worker.conformance.shapes import INTEGER, MODEL, TEXT, Check, breach, list_of
from port_worker.conformance.terms import Atom, payload
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_ok
from port_worker.conformance.world import World

_KEYS = ("protocol", "worker", "os_pid", "ops", "limits", "model")
_OPS = ("ping", "status", "recommend", "retrain", "models", "drain")
_LIMITS = {
    **{"max_frame_bytes": 16_777_216, "max_in_flight": 4096, "max_batch": 64, "max_items": 10_000},
    **{"max_exclude": 30_000, "max_id_bytes": 255, "max_terms": 32_768, "max_depth": 64, "max_map_pairs": 1024},
    **{"max_bignum_bytes": 64, "max_atom_bytes": 1020},
}
"""Each with its value in the table; a worker may be started with lower ones."""

_LATER = {"max_users": 100_000, "max_feedback": 100_000, "max_recent": 1000, "max_kinds": 256, "max_features": 64}
"""Those that came with the op `recommend_many`."""


def _table(facts: dict[Any, Any]) -> dict[str, int]:
    """The limits that a worker of these ops has."""
    ops = facts.get("ops")
    return _LIMITS | (_LATER if isinstance(ops, list) and "recommend_many" in ops else {})


@clause("hello.first", "Messages", watched=True)
def first(world: World) -> None:
    """hello is the first frame of a worker, and comes once"""
    world.peer.goes_on()


@clause("hello.keys", "Messages")
def keys(world: World) -> None:
    """hello has protocol, worker, os_pid, ops, limits and model"""
    facts = world.peer.hello
    missing = [key for key in _KEYS if key not in facts]
    expect(not missing, f"the keys {', '.join(_KEYS)}", f"none of {', '.join(missing)}")


@clause("hello.protocol", "Versions", needs=["hello.keys"])
def version(world: World) -> None:
    """protocol is the integer 1"""
    value = world.peer.hello["protocol"]
    expect(type(value) is int and value == 1, "the integer 1", value)


def _worker(term: Any) -> str:
    return breach(term, {"name": TEXT, "version": TEXT, "python": TEXT})


def _ops(term: Any) -> str:
    if not isinstance(term, list) or not all(isinstance(op, Atom) for op in term):
        return "a list of atoms"
    missing = [op for op in _OPS if op not in term]
    return f"all ops, {', '.join(missing)} too" if missing else ""


@clause("hello.about", "Messages", needs=["hello.keys"])
def about(world: World) -> None:
    """worker holds binaries, os_pid is an integer, ops is a list of the ops as atoms"""
    _check(world.peer.hello, {"worker": _worker, "os_pid": INTEGER, "ops": _ops})


@clause("hello.model", "Messages", needs=["hello.keys"])
def model(world: World) -> None:
    """model is nil, or has version, algorithm, users, items and created_at"""
    _check(world.peer.hello, {"model": MODEL})


@clause("hello.model-kind", "Models", needs=["hello.model", "hello.about"])
def model_kind(world: World) -> None:
    """model has its kind, and in options what it can do, of those that the table names"""
    facts = world.peer.hello
    if "recommend_many" not in facts["ops"] or not world.peer.has_model:
        raise SkippedError("it has no model, or none of the ops for which kinds differ")
    _check(facts["model"], {"kind": TEXT, "options": list_of(_option)})


def _option(term: Any) -> str:
    return "" if term in _OPTIONS else f"one of {', '.join(map(bytes.decode, _OPTIONS))}"


_OPTIONS = (b"recent", b"features", b"diversity", b"similar", b"dot", b"explain", b"fold_in")


@clause("hello.limits", "Limits", needs=["hello.keys"])
def limits(world: World) -> None:
    """limits shows every limit as an integer"""
    table = _table(world.peer.hello)
    _check(world.peer.hello, {"limits": lambda term: breach(term, dict.fromkeys(table, INTEGER))})


@clause("hello.limits-most", "Limits", needs=["hello.limits"])
def limits_most(world: World) -> None:
    """no limit is above the table's"""
    for name, most in _table(world.peer.hello).items():
        value = world.peer.limit(name)
        expect(value <= most, f"{name} up to {most}", value)


@clause("hello.ops", "Messages", needs=["hello.about"])
def ops(world: World) -> None:
    """what ops names is taken"""
    for op in world.peer.hello["ops"]:
        message = world.peer.ask(op, {"wings": 2})  # refused, so that nothing is done
        is_unknown = message[0] == "error" and message[2].get("code") == "unknown_op"
        expect(not is_unknown, f"another answer to {op}", message)


def _check(facts: dict[Any, Any], checks: dict[str, Check]) -> None:
    wrong = breach(facts, checks)
    expect(not wrong, wrong, facts)


@clause("hello.early", "Session")
def early(world: World) -> None:
    """what a host sends before hello waits in the pipe, and is answered after it"""
    with world.fresh(early=frame(payload(call(1, "ping")))) as peer:
        expect_ok(peer.answer_to(1))
