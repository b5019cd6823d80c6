"""What changes what a worker keeps: feedback and hidden items. Judged only where that is permitted.

Only users that nobody knows are fed, new ones each time; items are shown again in the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from port_worker.conformance.asking import STRANGER, answered, offered, options, recommended
from port_worker.conformance.clauses.serving import each_user
from port_worker.conformance.peer import Peer
from port_worker.conformance.shapes import COUNT, breach
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_ok
from port_worker.conformance.world import World

_COUNTS = ("accepted", "unknown_users", "unknown_items", "stored")


def _new_id() -> bytes:
    """An id that no model has learnt, even if it learns what was fed in earlier runs."""
    return str(uuid.uuid4()).encode()


def permitted(world: World, op: str) -> None:
    """See that what the worker keeps may be changed, by this op. Raises SkippedError."""
    if not world.options.write:
        raise SkippedError("changes what the worker keeps: ask for it with --write")
    offered(world.peer, op)


def _fed(peer: Peer, **args: Any) -> dict[str, Any]:
    result = expect_ok(peer.ask("feedback", args))
    wrong = breach(result, dict.fromkeys(_COUNTS, COUNT))
    expect(not wrong, wrong, result)
    assert isinstance(result, dict)
    return result


@clause("ops.feedback", "`feedback`")
def feedback(world: World) -> None:
    """feedback counts what it has accepted, and what of it is unknown to the model"""
    permitted(world, "feedback")
    user, items = _new_id(), [_new_id(), _new_id()]
    result = _fed(world.peer, users=[user, user], items=items, weights=[1.0, -1.0], times=[1, 2])
    expect(result["accepted"] == 2, "2 accepted", result)
    expect((result["unknown_users"], result["unknown_items"]) == (2, 2), "2 of unknown users and items", result)
    result = _fed(world.peer, user=user, item=items[0])
    expect(result["accepted"] == 1, "1 accepted", result)


@clause("ops.feedback-consumed", "`feedback`", needs=["ops.feedback", "ops.recommend"])
def consumed(world: World) -> None:
    """an item that was fed is not recommended to that user again"""
    permitted(world, "feedback")
    user = _new_id()
    item = recommended(world.peer, user)[0]
    _fed(world.peer, user=user, item=item)
    again = recommended(world.peer, user, n=20)
    expect(item not in again, f"no {item!r}", again)


@clause("ops.feedback-fold-in", "Models", needs=["ops.feedback-consumed", "ops.recommend-unknown"])
def fold_in(world: World) -> None:
    """with the option fold_in, a user whom the model does not know is ranked by what was fed"""
    permitted(world, "feedback")
    if b"fold_in" not in options(world.peer):
        raise SkippedError("the model's options have no fold_in")
    user = _new_id()
    _fed(world.peer, user=user, item=recommended(world.peer)[0])
    result = answered(world.peer, "recommend", user=user)
    expect(result["source"] == "fold_in", "fold_in as the source", result)


@contextmanager
def _hidden(peer: Peer, item: Any) -> Iterator[dict[str, Any]]:
    result = expect_ok(peer.ask("hide_items", {"items": [item]}))
    try:
        yield result
    finally:
        expect_ok(peer.ask("show_items", {"items": [item]}))


def _seen(peer: Peer, item: Any, other: Any) -> list[str]:
    """The ops that answer with an item."""
    answers = {
        "recommend": recommended(peer, n=10),
        "recommend_many": [each for each, _score in each_user(peer, [STRANGER], 10)[0][0]],
    }
    if b"similar" in options(peer):
        answers["similar"] = [each for each, _score in answered(peer, "similar", item=other, n=10)["items"]]
    return [op for op, ids in answers.items() if item in ids]


def _check_counts(result: Any, **wanted: int) -> None:
    wrong = breach(result, dict.fromkeys(("changed", "hidden", "unknown"), COUNT))
    expect(not wrong, wrong, result)
    for name, value in wanted.items():
        expect(result[name] == value, f"{name} => {value}", result)


@clause("ops.hide-items", "`hide_items`", needs=["ops.recommend-many"])
def hide(world: World) -> None:
    """after hide_items no answer has the item any more"""
    permitted(world, "hide_items")
    peer = world.peer
    item, other = recommended(peer, n=2)[:2]
    with _hidden(peer, item) as result:
        _check_counts(result, changed=1, unknown=0)
        seen = _seen(peer, item, other)
        expect(not seen, f"no {item!r} any more", f"it in the answer of {', '.join(seen)}")


@clause("ops.show-items", "`show_items`", needs=["ops.hide-items"])
def show(world: World) -> None:
    """after show_items the answers are as before hide_items"""
    permitted(world, "show_items")
    peer = world.peer
    before = recommended(peer)
    with _hidden(peer, before[0]) as hidden:
        pass
    _check_counts(hidden, changed=1)
    _check_counts(expect_ok(peer.ask("show_items", {"items": [before[0]]})), changed=0, hidden=hidden["hidden"] - 1)
    expect(recommended(peer) == before, f"{before} again", recommended(peer))
