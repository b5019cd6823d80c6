from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.ranking import OptionError
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Filter, Id, RecommendRequest
from port_worker.serving.steps import finish
from port_worker.serving.warming import warm
from tests.serving.asking import recommend
from tests.serving.reference import KINDS, World


def _in_order(ids: set[Id]) -> list[Id]:
    return sorted(ids, key=lambda one: one.encode() if isinstance(one, str) else one)


INTEGERS: st.SearchStrategy[Id] = st.integers(-(2**63), 2**63 - 1)
UUIDS: st.SearchStrategy[Id] = st.uuids().map(str)
WORDS: st.SearchStrategy[Id] = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5
)
ID_KINDS = st.sampled_from([INTEGERS, UUIDS, WORDS])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    users = _in_order(draw(st.sets(draw(ID_KINDS), min_size=1, max_size=6)))
    items = _in_order(draw(st.sets(draw(ID_KINDS), min_size=1, max_size=40)))
    vector = st.lists(st.integers(-2, 2), min_size=2, max_size=2)
    some = st.lists(st.sampled_from(items), unique=True)
    return World(
        {user: draw(vector) for user in users},
        {item: draw(vector) for item in items},
        {user: draw(some) for user in users},
        {item: draw(st.integers(0, 3)) for item in items},
        {item: draw(st.sampled_from(KINDS)) for item in draw(some)},
        tuple(draw(some)),
    )


@st.composite
def batches(draw: st.DrawFn) -> tuple[World, list[RecommendRequest]]:
    world = draw(worlds())
    strangers = st.one_of(INTEGERS, WORDS, UUIDS)
    user = st.one_of(st.sampled_from(list(world.users)), strangers)
    item = st.one_of(st.sampled_from(list(world.items)), strangers)
    excluded = st.lists(item, max_size=8).map(tuple)
    kinds = st.none() | st.lists(st.sampled_from(KINDS), min_size=1, unique=True).map(tuple)
    request = st.builds(
        RecommendRequest,
        user=user,
        n=st.integers(1, 50),
        filter=st.builds(Filter, exclude=excluded, kinds=kinds),
        filter_consumed=st.booleans(),
        diversity=st.just(0.0),
        recent=st.none(),
        features=st.none(),
    )
    return world, draw(st.lists(request, max_size=10))


@given(batches())
def test_every_answer_of_a_batch_is_the_one_by_definition(batch: tuple[World, list[RecommendRequest]]) -> None:
    world, requests = batch
    expected = [world.recommended(request) for request in requests]
    with tempfile.TemporaryDirectory() as folder:
        served = world.serve(Path(folder))
    finish(warm(served))
    assert recommend(served, requests) == expected
    assert [recommend(served, [request])[0] for request in requests] == expected


WORLD = World(
    users={1: [1, 0], 2: [0, 1], 3: [1, 1]},
    items={"a": [1, 0], "b": [2, 1], "c": [2, 5], "d": [0, 0]},
    consumed={1: ["b"], 2: [], 3: ["a", "b", "c", "d"]},
    popularity={"a": 1, "b": 7, "c": 7, "d": 2},
    kinds={"a": "map", "b": "map", "c": "prop"},
)


@pytest.fixture
def served(tmp_path: Path) -> Recommender:
    return WORLD.serve(tmp_path)


def excluding(*items: Id) -> Filter:
    return Filter(exclude=items)


def test_who_asks_twice_is_answered_twice_each_in_his_own_way(served: Recommender) -> None:
    short, long, other = recommend(
        served,
        [
            RecommendRequest(1, 1),
            RecommendRequest(1, 9, excluding("c", "no such item", 7, "c")),
            RecommendRequest(2, 2),
        ],
    )
    assert (short.items, short.exhausted) == ([("c", 2.0)], False)
    assert (long.items, long.exhausted) == ([("a", 1.0), ("d", 0.0)], True)
    assert other.items == [("c", 5.0), ("b", 1.0)]


def test_who_has_had_everything_gets_nothing_and_is_told_so(served: Recommender) -> None:
    [answer] = recommend(served, [RecommendRequest(3, 10)])
    assert (answer.items, answer.source, answer.exhausted) == ([], "model", True)


def test_who_has_had_everything_may_have_it_again(served: Recommender) -> None:
    [answer] = recommend(served, [RecommendRequest(3, 10, filter_consumed=False)])
    assert (answer.ids, answer.exhausted) == (["c", "b", "a", "d"], True)


@pytest.mark.parametrize("user", ["1", True, 99, 2**70, "\ud800"])
def test_a_stranger_gets_the_popular_items(served: Recommender, user: int | str) -> None:
    first, second = recommend(served, [RecommendRequest(user, 3), RecommendRequest(user, 3, excluding("b", "a"))])
    assert (first.items, first.source, first.exhausted) == ([("b", 7.0), ("c", 7.0), ("d", 2.0)], "popular", False)
    assert (second.items, second.exhausted) == ([("c", 7.0), ("d", 2.0)], True)


@pytest.mark.parametrize("user", [2, "stranger"])
def test_only_kinds_that_are_asked_for(served: Recommender, user: Id) -> None:
    maps, props, both = recommend(
        served, [RecommendRequest(user, 4, Filter(kinds=kinds)) for kinds in [("map",), ("prop",), ("map", "prop")]]
    )
    assert sorted(map(str, maps.ids)) == ["a", "b"]
    assert props.ids == ["c"]
    assert sorted(map(str, both.ids)) == ["a", "b", "c"]
    assert maps.exhausted


def test_a_kind_that_nobody_knows_is_named(served: Recommender) -> None:
    with pytest.raises(OptionError, match=r"kinds\[1\]: expected one of avatar, map, prop, got 'dance'") as caught:
        served.ask(RecommendRequest(1, 1, Filter(kinds=("map", "dance"))))
    assert caught.value.known == list(KINDS)


def test_ids_and_scores_are_plain_python(served: Recommender) -> None:
    for user in (1, "stranger"):
        [answer] = recommend(served, [RecommendRequest(user, 10)])
        assert {(type(item), type(score)) for item, score in answer.items} == {(str, float)}


def test_answering_changes_no_later_answer(served: Recommender) -> None:
    requests = [RecommendRequest(user, 4, excluding("a")) for user in (1, 2, 3, 4)]
    first, second = (recommend(served, requests) for _ in range(2))
    assert first == second
    assert recommend(served, [RecommendRequest(2, 4)])[0].ids == ["c", "b", "a", "d"]


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_item_cannot_be_asked_for(served: Recommender, n: int) -> None:
    with pytest.raises(ValueError, match="n: expected at least 1"):
        served.ask(RecommendRequest(1, n))
