"""What a model answers beyond `recommend`: many users, items like one, scores, reasons."""

from __future__ import annotations

import struct
from typing import Any

from port_worker.conformance.asking import STRANGER, answered, offered, options, recommended, with_options
from port_worker.conformance.columns import as_float32, column, ids_in, integers_in, scores_in
from port_worker.conformance.peer import Peer, call, cancel
from port_worker.conformance.shapes import BOOLEAN, COUNT, NUMBER, PAIR, SOURCE, TEXT, Check, breach, list_of, one_of
from port_worker.conformance.terms import NIL, TRUE, Atom
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error
from port_worker.conformance.world import World

_NO_ITEM = b"no item has this id"
_Row = tuple[list[tuple[Any, float]], str]
"""What one user gets, and its source."""


def _check(result: Any, checks: dict[str, Check]) -> None:
    wrong = breach(result, checks)
    expect(not wrong, wrong, result)


@clause("ops.recommend-scored", "`recommend`", needs=["ops.recommend"])
def scored(world: World) -> None:
    """recommend says how many of its items the model ranked, and what of the call it ignored"""
    with_options(world.peer)
    result = answered(world.peer, "recommend", user=STRANGER)
    _check(result, {"scored": COUNT, "ignored": list_of(TEXT)})
    expect(result["scored"] <= len(result["items"]), "no more scored than items", result)


@clause("ops.recommend-kinds", "`recommend`", needs=["ops.recommend"])
def unknown_kind(world: World) -> None:
    """a kind that no item has is refused, by name"""
    with_options(world.peer)
    options(world.peer)
    facts = expect_error(world.peer.ask("recommend", {"user": STRANGER, "kinds": [_NO_ITEM]}), "invalid_argument")
    expect(b"kinds" in facts.get("message", b""), "a message that names kinds", facts)


_ASKING: dict[bytes, dict[str, Any]] = {
    b"recent": {"recent": [7]},
    b"features": {"features": {b"age": 7}},
    b"diversity": {"diversity": 0.5},
}


@clause("ops.unsupported-option", "Models", needs=["ops.recommend"])
def unsupported(world: World) -> None:
    """what is not among the model's options is refused, with field, kind and supported_by"""
    with_options(world.peer)
    lacking = [option for option in _ASKING if option not in options(world.peer)]
    if not lacking:
        raise SkippedError("the model can do all that a call may ask for")
    for option in lacking:
        message = world.peer.ask("recommend", {"user": STRANGER, **_ASKING[option]})
        details = expect_error(message, "unsupported_option")["details"]
        expect({b"field", b"kind", b"supported_by"} <= details.keys(), "field, kind and supported_by", details)


def _rows(result: dict[str, Any], users: int, n: int) -> list[list[tuple[int, float]]]:
    """The positions and scores of each user, those that stand for nothing among them. Raises FailedError."""
    places, scores = integers_in(result["items"], "int32"), scores_in(result["scores"])
    expect(places is not None and len(places) == users * n, f"items of {users} times {n} int32", result["items"])
    expect(scores is not None and len(scores) == users * n, f"scores of {users} times {n} float32", result["scores"])
    pairs = list(zip(places or [], scores or [], strict=True))
    return [pairs[start : start + n] for start in range(0, users * n, n)]


def _sources(result: dict[str, Any], users: int) -> list[str]:
    _check(result, {"source_names": list_of(SOURCE)})
    places, names = integers_in(result["sources"], "uint8"), result["source_names"]
    fits = places is not None and len(places) == users and all(place < len(names) for place in places)
    expect(fits, f"sources of {users} positions in source_names", result)
    return [names[place] for place in places or []]


def each_user(peer: Peer, users: list[bytes], n: int) -> list[_Row]:
    """What recommend_many answers, user by user. Raises FailedError for columns that do not fit together."""
    result = answered(peer, "recommend_many", users=users, n=n)
    _check(result, {"n": one_of_integers(n), "model": TEXT})
    ids = ids_in(result["ids"])
    expect(ids is not None and len(set(ids)) == len(ids), "ids, each once", result["ids"])
    rows = _rows(result, len(users), n)
    expect(all(-1 <= at < len(ids or []) for row in rows for at, _score in row), "positions in ids, or -1", result)
    items = [[((ids or [])[at], score) for at, score in row if at >= 0] for row in rows]
    return list(zip(items, _sources(result, len(users)), strict=True))


def one_of_integers(value: int) -> Check:
    """That integer."""
    return lambda term: "" if type(term) is int and term == value else f"the integer {value}"


@clause("ops.recommend-many", "`recommend_many`", needs=["ops.recommend-order", "ops.recommend-unknown"])
def many(world: World) -> None:
    """recommend_many answers each user, in their order, what recommend does"""
    users = [STRANGER, b"somebody else", STRANGER]
    got = each_user(world.peer, users, 4)
    for user, (items, source) in zip(users, got, strict=True):
        one = answered(world.peer, "recommend", user=user, n=4)
        wanted = [(item, as_float32(score)) for item, score in one["items"]]
        expect((items, source) == (wanted, one["source"]), f"{wanted} from {one['source']}", [items, source])


@clause("ops.recommend-many-rest", "`recommend_many`", needs=["ops.recommend-many"])
def none_left(world: World) -> None:
    """where no item is left there is -1 with the score 0.0, and nothing behind it"""
    n = world.peer.limit("max_items")
    (row,) = _rows(answered(world.peer, "recommend_many", users=[STRANGER], n=n), 1, n)
    left = [at for at, _score in row if at >= 0]
    if len(left) == n:
        raise SkippedError("it has more items than max_items")
    expect(row[len(left) :] == [(-1, 0.0)] * (n - len(left)), f"-1 and 0.0 behind {len(left)} items", row[-5:])


@clause("ops.recommend-many-too-large", "`recommend_many`")
def too_large(world: World) -> None:
    """a reply that would be above max_frame_bytes is refused with reply_too_large, before the work"""
    peer = world.peer
    offered(peer, "recommend_many")
    options(peer)
    users, n, most = peer.limit("max_users"), peer.limit("max_items"), peer.limit("max_frame_bytes")
    if 8 * users * n <= most or 8 * users + 200 > most:
        raise SkippedError("no call that it takes asks for so much")
    ids = column("int64", struct.pack(f"<{users}q", *range(users)))
    expect_error(peer.ask("recommend_many", {"users": ids, "n": n}), "reply_too_large")


@clause("ops.recommend-many-cancel", "Deadlines and cancelling", needs=["frames.joined", "calls.cancel"])
def cancelled(world: World) -> None:
    """a recommend_many that is cancelled ends once, and the worker goes on"""
    with world.fresh() as peer:
        offered(peer, "recommend_many")
        call_id = peer.new_id()
        users = [b"user %d" % number for number in range(min(1000, peer.limit("max_users")))]
        peer.send(call(call_id, "recommend_many", {"users": users}), cancel(call_id))
        peer.goes_on()
        ends = [message for message in peer.rest() if message[0] in ("ok", "error") and message[1] == call_id]
        expect(len(ends) == 1, "one end of the call", ends)
        if ends[0][0] == "error":
            expect_error(ends[0], "cancelled", "no_model")


@clause("ops.similar", "`similar`", needs=["ops.recommend"])
def similar(world: World) -> None:
    """similar has items, best first and not the item itself; model, metric and exhausted"""
    item = recommended(world.peer)[0]
    result = answered(world.peer, "similar", item=item, n=5)
    checks = {"items": list_of(PAIR), "model": TEXT, "metric": one_of("cosine"), "exhausted": BOOLEAN}
    _check(result, checks)
    scores = [score for _item, score in result["items"]]
    expect(scores == sorted(scores, reverse=True), "scores that fall", result)
    expect(item not in [each for each, _score in result["items"]], f"items without {item!r}", result)
    expect((len(scores) < 5) == (result["exhausted"] == TRUE), "exhausted to tell of fewer than 5", result)


@clause("ops.unknown-item", "Errors", needs=["ops.recommend"])
def unknown_item(world: World) -> None:
    """similar and explain of an item that the model does not know end with unknown_item"""
    can = options(world.peer)
    asked = 0
    for op, args in (("similar", {"item": _NO_ITEM}), ("explain", {"user": STRANGER, "item": _NO_ITEM})):
        if op.encode() in can:
            expect_error(world.peer.ask(op, args), "unknown_item")
            asked += 1
    if not asked:
        raise SkippedError("the model's options have neither similar nor explain")


@clause("ops.score", "`score`", needs=["ops.recommend"])
def score(world: World) -> None:
    """score has a score for each item in its order, and nil or NaN for an unknown one"""
    known = recommended(world.peer)[0]
    items = [known, _NO_ITEM, known]
    result = answered(world.peer, "score", user=STRANGER, items=items)
    _check(
        result, {"scores": list_of(lambda term: "" if term == NIL else NUMBER(term)), "source": SOURCE, "model": TEXT}
    )
    scores = result["scores"]
    expect(len(scores) == 3 and scores[1] == NIL and isinstance(scores[0], float), "a float, nil, a float", scores)
    expect(scores[0] == scores[2], "one score for one item", scores)
    columns = answered(world.peer, "score", user=STRANGER, items=items, form=Atom("columns"))["scores"]
    values = scores_in(columns)
    expect(values is not None and len(values) == 3 and values[1] != values[1], "float32 with NaN in it", columns)
    expect((values or [])[0] == as_float32(scores[0]), f"the scores of {scores}", columns)


@clause("ops.explain", "`explain`", needs=["ops.recommend"])
def explain(world: World) -> None:
    """explain has items, score, source, model and method; a user of whom nothing is known has no items"""
    item = recommended(world.peer)[0]
    result = answered(world.peer, "explain", user=STRANGER, item=item)
    checks = {"items": list_of(PAIR), "score": _FLOAT, "source": SOURCE, "model": TEXT}
    _check(result, checks | {"method": one_of("exact", "similarity")})
    expect(result["source"] != "popular" or result["items"] == [], "no items from popular", result)


def _FLOAT(term: Any) -> str:  # noqa: N802  as the types of shapes are named
    return "" if isinstance(term, float) else "a float"
