from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port_worker.serving import embedding
from port_worker.serving.embedding import EmbeddingModel, RecommendRequest
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.manifest import Manifest
from tests.serving.reference import Id, recommended, seen


@dataclass(frozen=True)
class World:
    """Whole numbers as vectors: their products are exact in any order of summing, so ties are ties."""

    users: dict[Id, list[int]]
    items: dict[Id, list[int]]
    consumed: dict[Id, set[Id]]
    popularity: dict[Id, int] = field(default_factory=dict)

    def model(self) -> EmbeddingModel:
        rows = {item: row for row, item in enumerate(self.items)}
        taken = [sorted(rows[item] for item in self.consumed[user]) for user in self.users]
        arrays = EmbeddingArrays(
            user_ids=_column(list(self.users)),
            item_ids=_column(list(self.items)),
            user_vectors=np.array(list(self.users.values()), dtype=np.float32),
            item_vectors=np.array(list(self.items.values()), dtype=np.float32),
            consumed_indptr=np.cumsum([0, *map(len, taken)]),
            consumed_items=np.array([row for some in taken for row in some], dtype=np.int32),
            item_popularity=np.array([self.popularity[item] for item in self.items], dtype=np.int64),
        )
        manifest = Manifest("v", 0, "ALS", "embedding", {}, len(self.users), len(self.items), 1, "", {}, {})
        return EmbeddingModel(manifest, arrays)


def _column(ids: list[Id]) -> np.ndarray[tuple[int], np.dtype[np.int64] | np.dtype[np.bytes_]]:
    return np.array([one.encode() if isinstance(one, str) else one for one in ids])


def _in_order(ids: set[Id]) -> list[Id]:
    return sorted(ids, key=lambda one: one.encode() if isinstance(one, str) else one)


INTEGERS: st.SearchStrategy[Id] = st.integers(-(2**63), 2**63 - 1)
UUIDS: st.SearchStrategy[Id] = st.uuids().map(str)
WORDS: st.SearchStrategy[Id] = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5
)
KINDS = st.sampled_from([INTEGERS, UUIDS, WORDS])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    users = _in_order(draw(st.sets(draw(KINDS), min_size=1, max_size=6)))
    items = _in_order(draw(st.sets(draw(KINDS), min_size=1, max_size=40)))
    vector = st.lists(st.integers(-2, 2), min_size=2, max_size=2)
    return World(
        {user: draw(vector) for user in users},
        {item: draw(vector) for item in items},
        {user: draw(st.sets(st.sampled_from(items))) for user in users},
        {item: draw(st.integers(0, 3)) for item in items},
    )


@st.composite
def batches(draw: st.DrawFn) -> tuple[World, list[RecommendRequest]]:
    world = draw(worlds())
    strangers = st.one_of(INTEGERS, WORDS, UUIDS)
    user = st.one_of(st.sampled_from(list(world.users)), strangers)
    item = st.one_of(st.sampled_from(list(world.items)), strangers)
    excluded = st.lists(item, max_size=8).map(tuple)
    request = st.builds(RecommendRequest, user=user, n=st.integers(1, 50), exclude=excluded)
    return world, draw(st.lists(request, max_size=10))


@given(batches())
@settings(deadline=None)
def test_every_answer_of_a_batch_is_the_one_by_definition(batch: tuple[World, list[RecommendRequest]]) -> None:
    world, requests = batch
    expected = [
        recommended(world.users, world.items, world.consumed, world.popularity, request) for request in requests
    ]
    model = world.model()
    model.warm()
    assert [seen(answer) for answer in model.recommend(requests)] == expected
    assert [seen(model.recommend([request])[0]) for request in requests] == expected


WORLD = World(
    users={1: [1, 0], 2: [0, 1], 3: [1, 1]},
    items={"a": [1, 0], "b": [2, 1], "c": [2, 5], "d": [0, 0]},
    consumed={1: {"b"}, 2: set(), 3: {"a", "b", "c", "d"}},
    popularity={"a": 1, "b": 7, "c": 7, "d": 2},
)


def test_who_asks_twice_is_answered_twice_each_in_his_own_way() -> None:
    short, long, other = WORLD.model().recommend(
        [RecommendRequest(1, 1), RecommendRequest(1, 9, exclude=("c", "no such item", 7, "c")), RecommendRequest(2, 2)]
    )
    assert (short.items, short.exhausted) == ([("c", 2.0)], False)
    assert (long.items, long.exhausted) == ([("a", 1.0), ("d", 0.0)], True)
    assert other.items == [("c", 5.0), ("b", 1.0)]


def test_who_has_had_everything_gets_nothing_and_is_told_so() -> None:
    [answer] = WORLD.model().recommend([RecommendRequest(3, 10)])
    assert (answer.items, answer.source, answer.exhausted) == ([], "model", True)


@pytest.mark.parametrize("user", ["1", True, 99, 2**70, "\ud800"])
def test_a_stranger_gets_the_popular_items(user: int | str) -> None:
    first, second = WORLD.model().recommend([RecommendRequest(user, 3), RecommendRequest(user, 3, exclude=("b", "a"))])
    assert (first.items, first.source, first.exhausted) == ([("b", 7.0), ("c", 7.0), ("d", 2.0)], "popular", False)
    assert (second.items, second.exhausted) == ([("c", 7.0), ("d", 2.0)], True)


def test_ids_and_scores_are_plain_python() -> None:
    for user in (1, "stranger"):
        [answer] = WORLD.model().recommend([RecommendRequest(user, 10)])
        assert {(type(item), type(score)) for item, score in answer.items} == {(str, float)}


def test_a_batch_that_is_cut_for_memory_is_answered_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [RecommendRequest(user, n) for n in (1, 2, 9) for user in (2, 1, "stranger", 3)]
    whole = [seen(answer) for answer in WORLD.model().recommend(requests)]
    monkeypatch.setattr(embedding, "_SCORES_AT_ONCE", 9)  # two users at a time
    assert [seen(answer) for answer in WORLD.model().recommend(requests)] == whole


def test_answering_changes_no_later_answer() -> None:
    model = WORLD.model()
    requests = [RecommendRequest(user, 4, exclude=("a",)) for user in (1, 2, 3, 4)]
    first, second = ([seen(answer) for answer in model.recommend(requests)] for _ in range(2))
    assert first == second
    assert model.recommend([RecommendRequest(2, 4)])[0].items == [("c", 5.0), ("b", 1.0), ("a", 0.0), ("d", 0.0)]


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_item_cannot_be_asked_for(n: int) -> None:
    with pytest.raises(ValueError, match="n: expected at least 1"):
        RecommendRequest(1, n)


def test_it_says_what_it_is() -> None:
    model = WORLD.model()
    assert (model.version, model.algorithm, model.users, model.items) == ("v", "ALS", 3, 4)
    assert (model.user_id_type, model.item_id_type) == ("integer", "string")
