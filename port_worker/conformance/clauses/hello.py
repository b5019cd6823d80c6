"""Hello: the first frame, and what it says."""

from __future__ import annotations

from typing import Any

from port_worker.conformance.peer import call, frame
from port_worker.conformance.shapes import INTEGER, MODEL, TEXT, Check, breach
from port_worker.conformance.terms import Atom, payload
from port_worker.conformance.verdicts import clause, expect, expect_ok
from port_worker.conformance.world import World

_KEYS = ("protocol", "worker", "os_pid", "ops", "limits", "model")
_OPS = ("ping", "status", "recommend", "retrain", "models", "drain")
_LIMITS = {
    **{"max_frame_bytes": 16_777_216, "max_in_flight": 4096, "max_batch": 64, "max_items": 10_000},
    **{"max_exclude": 30_000, "max_id_bytes": 255, "max_terms": 32_768, "max_depth": 64, "max_map_pairs": 1024},
    **{"max_bignum_bytes": 64, "max_atom_bytes": 1020},
}
"""Each with its value in the table; a worker may be started with lower ones."""


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


@clause("hello.limits", "Limits", needs=["hello.keys"])
def limits(world: World) -> None:
    """limits shows every limit as an integer"""
    _check(world.peer.hello, {"limits": lambda term: breach(term, dict.fromkeys(_LIMITS, INTEGER))})


@clause("hello.limits-most", "Limits", needs=["hello.limits"])
def limits_most(world: World) -> None:
    """no limit is above the table's"""
    for name, most in _LIMITS.items():
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
