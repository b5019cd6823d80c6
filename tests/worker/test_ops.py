"""Every op that asks a model or feeds it, through a real worker: what its result holds, and what that means."""

from __future__ import annotations

import struct
from itertools import combinations
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerHost
from port_worker.sources.base import Source
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from tests.worker.conftest import Start
from tests.worker.replies import each_user, uuids, values

ALL = 10_000
STRANGER = "nobody"


@pytest.fixture(scope="module")
def world(trained_home: Path) -> Source:
    return open_source(str(trained_home / "world.sqlite"))


@pytest.fixture(scope="module")
def users(world: Source) -> list[Any]:
    """The busiest first."""
    return [user.id for user in world.sample_users(8)]


@pytest.fixture(scope="module")
def user(users: list[Any]) -> Any:
    return users[0]


@pytest.fixture(scope="module")
def seen(world: Source, user: Any) -> set[Any]:
    return {visit.item for visit in world.history(user, ALL)}


@pytest.fixture
def own(start: Start, own_home: Path) -> WorkerHost:
    """A worker on a home that the test may change."""
    return start(own_home)


def ask(worker: WorkerHost, op: str, **args: Any) -> Any:
    return worker.call(op, args, timeout=30)


def refused(worker: WorkerHost, op: str, **args: Any) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        ask(worker, op, **args)
    assert ask(worker, "ping") == "pong"
    return caught.value


def ids(reply: Any) -> list[Any]:
    return [item for item, _score in reply["items"]]


def kinds_of(world: Source, items: list[Any]) -> list[str | None]:
    cards = world.items(items)
    return [cards[item].kind for item in items]


# recommend


def test_kinds_leave_the_others_out_within_the_ranking(shared_worker: WorkerHost, world: Source, user: Any) -> None:
    ranked = ids(ask(shared_worker, "recommend", user=user, n=ALL))
    kinds = kinds_of(world, ranked)
    for wanted in (["map"], ["avatar", "prop"]):
        expected = [item for item, kind in zip(ranked, kinds, strict=True) if kind in wanted]
        reply = ask(shared_worker, "recommend", user=user, n=5, kinds=wanted)
        assert ids(reply) == expected[:5]
        assert ids(ask(shared_worker, "recommend", user=user, n=ALL, kinds=wanted)) == expected


@pytest.mark.parametrize("op", ["recommend", "recommend_many", "similar"])
def test_an_unknown_kind_is_refused_with_those_that_are_known(shared_worker: WorkerHost, user: Any, op: str) -> None:
    item = ids(ask(shared_worker, "recommend", user=user))[0]
    about = {"recommend": {"user": user}, "recommend_many": {"users": [user]}, "similar": {"item": item}}[op]
    error = refused(shared_worker, op, **about, kinds=["map", "spell"])
    assert (error.code, error.details["field"]) == ("invalid_argument", "kinds[1]")
    assert sorted(error.details["known"]) == ["avatar", "map", "prop"]


def test_what_the_user_has_had_comes_where_that_is_asked_for(
    shared_worker: WorkerHost, user: Any, seen: set[Any]
) -> None:
    new = ask(shared_worker, "recommend", user=user, n=ALL)
    every = ask(shared_worker, "recommend", user=user, n=ALL, filter_consumed=False)
    assert set(ids(every)) == set(ids(new)) | seen
    assert [pair for pair in every["items"] if pair[0] not in seen] == new["items"]


def test_more_than_is_left_is_exhausted(shared_worker: WorkerHost, user: Any) -> None:
    left = ids(ask(shared_worker, "recommend", user=user, n=ALL))
    for n in (len(left), len(left) + 1):
        reply = ask(shared_worker, "recommend", user=user, n=n)
        assert (ids(reply), reply["exhausted"], reply["scored"]) == (left, n > len(left), len(left))
    reply = ask(shared_worker, "recommend", user=user, exclude=left)
    assert (reply["items"], reply["exhausted"], reply["scored"]) == ([], True, 0)


def test_diversity_makes_items_less_alike(shared_worker: WorkerHost, user: Any) -> None:
    def likeness(items: list[Any]) -> float:
        to = {item: dict(ask(shared_worker, "similar", item=item, n=ALL)["items"]) for item in items}
        return float(sum(to[one][other] for one, other in combinations(items, 2)))

    plain = ask(shared_worker, "recommend", user=user, n=8)
    assert ask(shared_worker, "recommend", user=user, n=8, diversity=0.0) == plain
    diverse = ask(shared_worker, "recommend", user=user, n=8, diversity=0.9)
    assert diverse["items"][0] == plain["items"][0]
    assert len(set(ids(diverse))) == 8
    assert likeness(ids(diverse)) < likeness(ids(plain))
    scores = dict(ask(shared_worker, "recommend", user=user, n=ALL)["items"])
    assert diverse["items"] == [(item, scores[item]) for item in ids(diverse)]


def test_recent_items_stand_in_for_a_history(shared_worker: WorkerHost, user: Any, seen: set[Any]) -> None:
    known = sorted(seen)[:3]
    reply = ask(shared_worker, "recommend", user=STRANGER, recent=[known[0], "nobody's", *known[1:], 7])
    assert (reply["source"], reply["ignored"]) == ("fold_in", ["recent[1]", "recent[4]"])
    assert not set(known) & set(ids(reply))
    assert ask(shared_worker, "recommend", user=STRANGER, recent=uuids(known))["items"] == reply["items"]
    assert ask(shared_worker, "recommend", user=user, recent=known)["source"] == "fold_in"
    assert ask(shared_worker, "recommend", user=user)["ignored"] == []


def test_features_are_refused_by_a_model_that_has_none(shared_worker: WorkerHost) -> None:
    error = refused(shared_worker, "recommend", user=STRANGER, features={"platform": "pc"})
    assert (error.code, error.retryable) == ("unsupported_option", False)
    assert (error.details["field"], error.details["kind"]) == ("features", "embedding")
    assert "TwoTower" in error.details["supported_by"]


# recommend_many


def test_many_users_get_what_each_would_alone(shared_worker: WorkerHost, users: list[Any]) -> None:
    asked = [*users, STRANGER, users[0]]
    result = ask(shared_worker, "recommend_many", users=asked, n=7)
    assert (result["n"], result["model"]) == (7, shared_worker.hello["model"]["version"])
    for each, found in zip(asked, each_user(result), strict=True):
        alone = ask(shared_worker, "recommend", user=each, n=7)
        assert (found.ids, found.source) == (ids(alone), alone["source"])
        assert found.scores == pytest.approx([score for _item, score in alone["items"]], rel=1e-6)


def test_a_column_of_users_is_the_list_of_them(shared_worker: WorkerHost, users: list[Any]) -> None:
    listed = ask(shared_worker, "recommend_many", users=users, n=5)
    assert ask(shared_worker, "recommend_many", users=uuids(users), n=5) == listed
    numbers = ask(shared_worker, "recommend_many", users=(Atom("int64"), struct.pack("<2q", 1, 2)), n=5)
    assert [one.source for one in each_user(numbers)] == ["popular", "popular"]


def test_filters_hold_for_each_of_many(shared_worker: WorkerHost, world: Source, users: list[Any]) -> None:
    first = ids(ask(shared_worker, "recommend", user=users[0], kinds=["prop"]))[:2]
    options = {"kinds": ["prop"], "exclude": first, "filter_consumed": False, "n": 6}
    for each, found in zip(users, each_user(ask(shared_worker, "recommend_many", users=users, **options)), strict=True):
        assert found.ids == ids(ask(shared_worker, "recommend", user=each, **options))
        assert set(kinds_of(world, found.ids)) == {"prop"}
        assert not set(first) & set(found.ids)


def test_a_row_ends_where_nothing_is_left(shared_worker: WorkerHost, users: list[Any]) -> None:
    found = each_user(ask(shared_worker, "recommend_many", users=users[:2], n=500))
    assert [one.ids for one in found] == [ids(ask(shared_worker, "recommend", user=one, n=500)) for one in users[:2]]


def test_very_many_users_are_answered_in_their_order(shared_worker: WorkerHost, users: list[Any]) -> None:
    asked = [*users, "33333333-3333-4333-8333-333333333333"] * 400
    found = each_user(ask(shared_worker, "recommend_many", users=uuids(asked), n=3))
    assert found == found[: len(users) + 1] * 400
    assert len({tuple(one.ids) for one in found}) > 1


def test_a_reply_that_would_be_too_large_is_refused(shared_worker: WorkerHost) -> None:
    column = (Atom("int64"), bytes(8 * 100_000))
    error = refused(shared_worker, "recommend_many", users=column, n=21)
    assert (error.code, error.retryable) == ("reply_too_large", False)
    assert error.details == {
        "field": "reply",
        "expected": "at most 16777216 bytes",
        "got": "16800000 bytes for the items of 100000 users alone",
    }


# similar, score, explain


def test_similar_items_are_in_order_and_without_the_item(shared_worker: WorkerHost, world: Source, user: Any) -> None:
    item = ids(ask(shared_worker, "recommend", user=user))[0]
    reply = ask(shared_worker, "similar", item=item, n=6)
    scores = [score for _item, score in reply["items"]]
    assert (reply["metric"], reply["exhausted"]) == ("cosine", False)
    assert reply["model"] == shared_worker.hello["model"]["version"]
    assert item not in ids(reply)
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)
    other, score = reply["items"][0]
    assert dict(ask(shared_worker, "similar", item=other, n=ALL)["items"])[item] == pytest.approx(score, rel=1e-5)
    assert ids(ask(shared_worker, "similar", item=item, n=5, exclude=[other])) == ids(reply)[1:]
    maps = ids(ask(shared_worker, "similar", item=item, n=4, kinds=["map"]))
    assert kinds_of(world, maps) == ["map"] * 4
    columns = ask(shared_worker, "similar", item=item, n=6, form=Atom("columns"))["items"]
    assert values(columns["ids"]) == ids(reply)
    assert ask(shared_worker, "similar", item=item, n=ALL)["exhausted"] is True


def test_similar_by_product_is_another_measure(shared_worker: WorkerHost, user: Any) -> None:
    item = ids(ask(shared_worker, "recommend", user=user))[0]
    cosines = dict(ask(shared_worker, "similar", item=item, n=ALL)["items"])
    reply = ask(shared_worker, "similar", item=item, n=ALL, metric=Atom("dot"))
    assert reply["metric"] == "dot"
    assert dict(reply["items"]).keys() == cosines.keys()
    assert dict(reply["items"]) != cosines
    assert all((product > 0) == (cosines[other] > 0) for other, product in reply["items"])


def test_scores_are_those_of_the_ranking(shared_worker: WorkerHost, user: Any, seen: set[Any]) -> None:
    ranked = ask(shared_worker, "recommend", user=user, n=6)
    items = [*ids(ranked), "nobody's", sorted(seen)[0], ids(ranked)[0]]
    reply = ask(shared_worker, "score", user=user, items=items)
    assert (reply["source"], reply["model"]) == ("model", shared_worker.hello["model"]["version"])
    assert reply["scores"][:6] == pytest.approx([score for _item, score in ranked["items"]], rel=1e-5)
    assert reply["scores"][6] is None
    assert isinstance(reply["scores"][7], float)
    assert reply["scores"][8] == reply["scores"][0]
    columns = values(ask(shared_worker, "score", user=user, items=items, form=Atom("columns"))["scores"])
    assert [None if isnan(score) else score for score in columns] == reply["scores"]


def test_a_stranger_scores_items_by_how_popular_they_are(shared_worker: WorkerHost) -> None:
    popular = ask(shared_worker, "recommend", user=STRANGER, n=5)
    reply = ask(shared_worker, "score", user=STRANGER, items=ids(popular))
    assert (reply["scores"], reply["source"]) == ([score for _item, score in popular["items"]], "popular")


def test_what_explains_an_item_is_what_the_user_had(shared_worker: WorkerHost, user: Any, seen: set[Any]) -> None:
    item, score = ask(shared_worker, "recommend", user=user)["items"][0]
    reply = ask(shared_worker, "explain", user=user, item=item)
    contributions = [contribution for _item, contribution in reply["items"]]
    assert (len(contributions), reply["method"], reply["source"]) == (5, "exact", "model")
    assert reply["score"] == pytest.approx(score, rel=1e-5)
    assert set(ids(reply)) <= seen
    assert contributions == sorted(contributions, reverse=True)
    every = ask(shared_worker, "explain", user=user, item=item, n=ALL)
    assert every["items"][:5] == reply["items"]
    assert set(ids(every)) == seen
    assert ask(shared_worker, "explain", user=STRANGER, item=item)["items"] == []


@pytest.mark.parametrize("item", ["nobody's", 7])
def test_an_item_that_the_model_does_not_know_is_said(shared_worker: WorkerHost, user: Any, item: object) -> None:
    for op, args in (("similar", {}), ("explain", {"user": user})):
        error = refused(shared_worker, op, item=item, **args)
        assert (error.code, error.retryable) == ("unknown_item", False)
        assert error.details["field"] == "item"


# feedback


def test_one_interaction_makes_a_stranger_known(own: WorkerHost, users: list[Any]) -> None:
    item = ids(ask(own, "recommend", user=STRANGER))[0]
    fed = ask(own, "feedback", user=STRANGER, item=item)
    assert fed == {"accepted": 1, "unknown_users": 1, "unknown_items": 0, "stored": 1}
    assert ask(own, "status")["feedback_rows"] == 1
    reply = ask(own, "recommend", user=STRANGER, n=ALL)
    assert reply["source"] == "fold_in"
    assert item not in ids(reply)
    [many] = each_user(ask(own, "recommend_many", users=[STRANGER], n=ALL))
    assert (many.ids, many.source) == (ids(reply), "fold_in")
    found = ask(own, "explain", user=STRANGER, item=ids(reply)[0])
    assert (ids(found), found["method"], found["source"]) == ([item], "exact", "fold_in")
    assert found["items"][0][1] == pytest.approx(found["score"], rel=1e-4)
    assert ask(own, "recommend", user=users[0])["source"] == "model"


def test_what_is_fed_of_a_known_user_counts_with_what_was_learnt(own: WorkerHost, user: Any, seen: set[Any]) -> None:
    before = ask(own, "recommend", user=user, n=ALL)
    item = ids(before)[-1]
    ask(own, "feedback", user=user, item=item, weight=50.0)
    after = ask(own, "recommend", user=user, n=ALL)
    assert after["source"] == "fold_in"
    assert set(ids(after)) == set(ids(before)) - {item}
    assert ids(after) != ids(before)[:-1]
    explained = ask(own, "explain", user=user, item=ids(after)[0], n=ALL)
    assert set(ids(explained)) == seen | {item}


def test_what_a_user_did_not_like_stays_away_and_speaks_for_nothing(own: WorkerHost) -> None:
    popular = ids(ask(own, "recommend", user=STRANGER, n=ALL))
    ask(own, "feedback", user=STRANGER, item=popular[0], weight=-1.0)
    reply = ask(own, "recommend", user=STRANGER, n=ALL)
    assert (reply["source"], ids(reply)) == ("popular", popular[1:])


def test_a_batch_is_fed_as_lists_or_as_columns(own: WorkerHost, users: list[Any]) -> None:
    items = ids(ask(own, "recommend", user=STRANGER, n=3))
    fed = ask(own, "feedback", users=[*users[:2], "x"], items=[*items[:2], "y"], weights=[1, 2.5, 0], times=[1, 2, 3])
    assert fed == {"accepted": 3, "unknown_users": 1, "unknown_items": 1, "stored": 3}
    weights = (Atom("float32"), struct.pack("<3f", 1.0, 0.5, 2.0))
    times = (Atom("int64"), struct.pack("<3q", 10, 20, 30))
    fed = ask(own, "feedback", users=uuids(users[2:5]), items=uuids(items), weights=weights, times=times)
    assert fed == {"accepted": 3, "unknown_users": 0, "unknown_items": 0, "stored": 6}
    for each, item in zip(users[:5], [*items[:2], *items], strict=True):
        assert item not in ids(ask(own, "recommend", user=each, n=ALL))


def test_a_large_batch_is_kept_whole(own: WorkerHost, users: list[Any]) -> None:
    item = ids(ask(own, "recommend", user=STRANGER))[0]
    fed = ask(own, "feedback", users=uuids(users * 125), items=uuids([item] * 1000))
    assert fed == {"accepted": 1000, "unknown_users": 0, "unknown_items": 0, "stored": 1000}


# hide_items, show_items


def test_hidden_items_are_in_no_answer_until_they_are_shown(own: WorkerHost, users: list[Any]) -> None:
    before = ids(ask(own, "recommend", user=users[0], n=ALL))
    hidden = [before[0], before[1]]
    assert ask(own, "hide_items", items=[*hidden, "nobody's"]) == {"changed": 3, "hidden": 3, "unknown": 1}
    assert ask(own, "hide_items", items=uuids(hidden)) == {"changed": 0, "hidden": 3, "unknown": 0}
    assert ask(own, "status")["hidden_items"] == 3
    assert ids(ask(own, "recommend", user=users[0], n=ALL)) == before[2:]
    for one in each_user(ask(own, "recommend_many", users=[*users, STRANGER], n=ALL)):
        assert not set(hidden) & set(one.ids)
    assert not set(hidden) & set(ids(ask(own, "similar", item=before[2], n=ALL)))
    assert ask(own, "similar", item=hidden[0])["items"]
    assert None not in ask(own, "score", user=users[0], items=hidden)["scores"]
    assert ask(own, "show_items", items=[hidden[0], before[2]]) == {"changed": 1, "hidden": 2, "unknown": 0}
    assert ids(ask(own, "recommend", user=users[0], n=ALL)) == [before[0], *before[2:]]


def test_many_items_are_hidden_in_parts(own: WorkerHost) -> None:
    strange = [f"item {number}" for number in range(900)]
    popular = ids(ask(own, "recommend", user=STRANGER, n=3))
    reply = ask(own, "hide_items", items=[*popular[:1], *strange, *popular[1:]])
    assert reply == {"changed": 903, "hidden": 903, "unknown": 900}
    assert not set(popular) & set(ids(ask(own, "recommend", user=STRANGER, n=ALL)))
    assert ask(own, "show_items", items=strange)["hidden"] == 3


# what is refused


@pytest.mark.parametrize(
    ("op", "args", "field"),
    [
        ("recommend_many", {"users": []}, "users"),
        ("recommend_many", {"users": (Atom("int64"), b"")}, "users"),
        ("score", {"user": "x", "items": []}, "items"),
        ("feedback", {"users": [], "items": []}, "users"),
        ("hide_items", {"items": []}, "items"),
        ("show_items", {"items": (Atom("uuid"), b"")}, "items"),
        ("recommend", {"user": "x", "recent": []}, "recent"),
        ("recommend", {"user": "x", "kinds": []}, "kinds"),
        ("recommend", {"user": "x", "features": {}}, "features"),
        ("recommend", {"user": "x", "diversity": 1.5}, "diversity"),
        ("recommend", {"user": "x", "exclude": (Atom("int64"), bytes(8 * 10**6))}, "exclude"),
        ("hide_items", {"items": (Atom("int64"), bytes(8 * 30_001))}, "items"),
        ("score", {"user": "x", "items": (Atom("int64"), bytes(8 * 10_001))}, "items"),
        ("recommend_many", {"users": (Atom("int64"), bytes(8 * 100_001))}, "users"),
        ("feedback", {"users": (Atom("int64"), bytes(8 * 100_001)), "items": [1]}, "users"),
        ("feedback", {"users": [1, 2], "items": [1]}, "items"),
        ("similar", {"item": "x", "metric": Atom("pairs")}, "metric"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    shared_worker: WorkerHost, op: str, args: dict[str, Any], field: str
) -> None:
    error = refused(shared_worker, op, **args)
    assert (error.code, error.details["field"], error.retryable) == ("invalid_argument", field, False)


@pytest.mark.parametrize("op", ["recommend_many", "similar", "score", "explain"])
def test_a_model_has_to_be_there(start: Start, fresh_home: Path, op: str) -> None:
    about: dict[str, dict[str, Any]] = {
        "recommend_many": {"users": (Atom("int64"), bytes(8 * 100_000)), "n": ALL},
        "similar": {"item": 1},
        "score": {"user": 1, "items": [1]},
        "explain": {"user": 1, "item": 1},
    }
    error = refused(start(fresh_home), op, **about[op])
    assert (error.code, error.retryable) == ("no_model", True)


def test_feeding_needs_no_model(start: Start, fresh_home: Path) -> None:
    worker = start(fresh_home)
    fed = ask(worker, "feedback", user=1, item=2)
    assert fed == {"accepted": 1, "unknown_users": 1, "unknown_items": 1, "stored": 1}
    assert ask(worker, "hide_items", items=[1]) == {"changed": 1, "hidden": 1, "unknown": 1}
