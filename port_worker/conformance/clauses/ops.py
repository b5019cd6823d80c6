"""Ops: their results."""

from __future__ import annotations

import uuid
from typing import Any

from port_worker.conformance.columns import as_float32, id_column, ids_in, scores_in
from port_worker.conformance.peer import Peer
from port_worker.conformance.shapes import (
    BOOLEAN,
    COUNT,
    INTEGER,
    MODEL,
    PAIR,
    SOURCE,
    TEXT,
    Check,
    breach,
    list_of,
    one_of,
    or_nil,
)
from port_worker.conformance.terms import FALSE, NIL, TRUE, Atom
from port_worker.conformance.tour import see_all_ops
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World

_USER = str(uuid.UUID(int=0x5EED)).encode()
_STATUS: dict[str, Check] = {
    "state": one_of("ready"),
    "os_pid": INTEGER,
    "uptime_ms": COUNT,
    "rss_bytes": COUNT,
    "heavy_modules": list_of(TEXT),
    "model": MODEL,
    "in_flight": lambda term: "" if type(term) is int and term >= 1 else "at least this call",
    "queued": COUNT,
    "answered": COUNT,
    "errors": COUNT,
    "batches": COUNT,
    "training": or_nil(lambda term: breach(term, {"phase": one_of("extract", "prepare", "fit", "export", "load")})),
}


@clause("errors.facts", "Errors", watched=True)
def facts(world: World) -> None:
    """an error has a code of the table, a message, retryable as in the table, and details by binaries"""
    see_all_ops(world.peer)


@clause("ops.ping", "`ping`")
def ping(world: World) -> None:
    """ping's result is the atom pong"""
    result = expect_ok(world.peer.ask("ping"))
    expect(isinstance(result, Atom) and result == "pong", "the atom pong", result)


@clause("ops.status", "`status`")
def status(world: World) -> None:
    """status has all its keys, of their types"""
    _check(expect_ok(world.peer.ask("status")), _STATUS)


def _check(result: Any, checks: dict[str, Check]) -> None:
    wrong = breach(result, checks)
    expect(not wrong, wrong, result)


def _is_damaged(version: Any) -> bool:
    return isinstance(version, dict) and isinstance(version.get("damaged"), bytes)


def _version(term: Any) -> str:
    fact = or_nil if _is_damaged(term) else lambda check: check
    return breach(
        term,
        {
            "version": TEXT,
            "algorithm": fact(TEXT),
            **{name: fact(COUNT) for name in ("created_at", "users", "items", "rows", "bytes")},
            "active": BOOLEAN,
            "damaged": or_nil(TEXT),
        },
    )


@clause("ops.models", "`models`")
def models(world: World) -> None:
    """models has active and versions, of their types"""
    result = expect_ok(world.peer.ask("models"))
    _check(result, {"active": or_nil(TEXT), "versions": list_of(_version)})


@clause("ops.models-order", "`models`", needs=["ops.models"])
def models_order(world: World) -> None:
    """versions come newest first, and the active one is the one that is marked so"""
    result = expect_ok(world.peer.ask("models"))
    made = [version["created_at"] for version in result["versions"] if version["created_at"] != NIL]
    expect(made == sorted(made, reverse=True), "the newest version first", result)
    marked = [version["version"] for version in result["versions"] if version["active"] == TRUE]
    expect(marked == [result["active"]] * (result["active"] != NIL), "the active version marked, and no other", result)


@clause("ops.recommend", "`recommend`")
def recommend(world: World) -> None:
    """recommend without a model fails with no_model; with one it has items, model, source and exhausted"""
    message = world.peer.ask("recommend", {"user": _USER})
    if not world.peer.has_model:
        expect_error(message, "no_model")
        return
    checks = {"items": list_of(PAIR), "model": TEXT, "source": SOURCE, "exhausted": BOOLEAN}
    _check(expect_ok(message), checks)


def _recommended(peer: Peer, **args: Any) -> dict[str, Any]:
    if not peer.has_model:
        raise SkippedError("it has no model")
    result = expect_ok(peer.ask("recommend", {"user": _USER, **args}))
    assert isinstance(result, dict)
    return result


@clause("ops.recommend-order", "`recommend`", needs=["ops.recommend"])
def order(world: World) -> None:
    """items come best first, and none twice"""
    items = _recommended(world.peer, n=20)["items"]
    scores = [score for _item, score in items]
    expect(scores == sorted(scores, reverse=True), "scores that fall", items)
    expect(len({item for item, _score in items}) == len(items), "no item twice", items)


@clause("ops.recommend-n", "`recommend`", needs=["ops.recommend"])
def how_many(world: World) -> None:
    """n is how many items, 10 unless it is said; exhausted tells of fewer"""
    for n, args in ((10, {}), (1, {"n": 1}), (3, {"n": 3})):
        result = _recommended(world.peer, **args)
        count, exhausted = len(result["items"]), result["exhausted"]
        expect(count <= n, f"{n} items", result)
        wanted = TRUE if count < n else FALSE
        expect(exhausted == wanted, f"exhausted => {wanted} beside {count} of {n} items", result)


@clause("ops.recommend-exclude", "`recommend`", needs=["ops.recommend"])
def exclude(world: World) -> None:
    """what exclude names is not among the items"""
    first = [item for item, _score in _recommended(world.peer, n=5)["items"]]
    if not first:
        raise SkippedError("it recommends nothing that could be excluded")
    again = [item for item, _score in _recommended(world.peer, n=5, exclude=first)["items"]]
    expect(not set(first) & set(again), f"none of {first}", again)


@clause("ops.recommend-unknown", "`recommend`", needs=["ops.recommend"])
def unknown_user(world: World) -> None:
    """a user whom the model does not know gets popular items"""
    result = _recommended(world.peer)
    expect(result["source"] == "popular", "popular as the source", result)


@clause("ops.recommend-columns", "`recommend`", needs=["ops.recommend-order"])
def columns(world: World) -> None:
    """form => columns has the items of pairs in their order: ids, and scores of single precision"""
    pairs = _recommended(world.peer, n=5, form=Atom("pairs"))["items"]
    items = _recommended(world.peer, n=5, form=Atom("columns"))["items"]
    expect(isinstance(items, dict) and {"ids", "scores"} <= items.keys(), "a map of ids and scores", items)
    ids, scores = ids_in(items["ids"]), scores_in(items["scores"])
    expect(ids is not None, "the column int64 or uuid, or a list of binaries", items["ids"])
    expect(scores is not None, "the column float32", items["scores"])
    expect(ids == [item for item, _score in pairs], f"the ids of {pairs}", ids)
    expect(scores == [as_float32(score) for _item, score in pairs], f"the scores of {pairs}", scores)


@clause("ops.recommend-exclude-column", "`recommend`", needs=["ops.recommend-exclude"])
def exclude_column(world: World) -> None:
    """a column of ids excludes what their list does"""
    ids = [item for item, _score in _recommended(world.peer, n=4)["items"]]
    column = id_column(ids)
    if column is None or not ids:
        raise SkippedError("it recommends nothing whose ids a column holds")
    listed, again = (_recommended(world.peer, n=4, exclude=each)["items"] for each in (ids, column))
    expect(again == listed, "the items as for a list of ids", again)
