"""What was fed and hidden since a model was trained, in what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.freshness import Fed, Freshness
from port_worker.serving.history import History, with_fed
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Filter, Id, RecommendRequest
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import StoreError
from tests.models import Told, catalogue_arrays, serve_embedding
from tests.serving.asking import recommend
from tests.serving.fakes import TableScorer, recommender_of
from tests.serving.telling import Telling, broken

ITEMS: list[Id] = ["a", "b", "c", "d", "e"]
ITEM_VECTORS = np.array([[1, 0], [2, 1], [2, 5], [0, 0.5], [1, 3]], dtype=np.float32)
USER_VECTORS = np.array([[1, 0], [0, 1]], dtype=np.float32)


def serve(root: Path, live: Telling, weights: tuple[float, float, float] = (1.0, 2.0, 1.0)) -> Recommender:
    """User 1 has met a, then b, and user 2 d; `weights` say how much they liked them."""
    catalogue = catalogue_arrays([1, 2], ITEMS, [[0, 1], [3]], weights=weights)
    return serve_embedding(root, catalogue, EmbeddingArrays(USER_VECTORS, ITEM_VECTORS), live=live).recommender


def folded(weights: dict[Id, float]) -> NDArray[np.float64]:
    """The scores of somebody with these items, by the equation of ALS with reg and alpha of 1."""
    items = ITEM_VECTORS.astype(np.float64)
    liked = np.array([weights.get(item, 0.0) for item in ITEMS])
    system = items.T @ items + np.eye(2) + (items.T * liked) @ items
    vector = np.linalg.solve(system, ((1 + liked) * (liked > 0)) @ items)
    scores: NDArray[np.float64] = items @ vector
    return scores


def scored(items: list[tuple[Id, float]]) -> Any:
    return pytest.approx(dict(items), abs=1e-5)


def by_item(scores: NDArray[np.float64], *items: Id) -> dict[Id, float]:
    return {item: float(scores[ITEMS.index(item)]) for item in items}


def test_a_known_user_who_met_more_is_folded_in_with_all_of_it(tmp_path: Path) -> None:
    served = serve(tmp_path, Telling({1: [Told("c", 3.0), Told("a", 0.5)]}))
    [answer] = recommend(served, [RecommendRequest(1, 5)])
    assert answer.source == "fold_in"
    assert by_item(folded({"a": 1.5, "b": 2.0, "c": 3.0}), "d", "e") == scored(answer.items)


def test_a_stranger_who_was_fed_is_folded_in(tmp_path: Path) -> None:
    served = serve(tmp_path, Telling({"new": [Told("c"), Told("e", 4.0)]}))
    fed, other = recommend(served, [RecommendRequest("new", 5), RecommendRequest("other", 5)])
    assert (fed.source, other.source) == ("fold_in", "popular")
    assert by_item(folded({"c": 1.0, "e": 4.0}), "a", "b", "d") == scored(fed.items)
    assert fed.exhausted


def test_what_was_fed_comes_back_where_the_call_wants_it(tmp_path: Path) -> None:
    served = serve(tmp_path, Telling({1: [Told("c")]}))
    [answer] = recommend(served, [RecommendRequest(1, 5, filter_consumed=False)])
    assert by_item(folded({"a": 1.0, "b": 2.0, "c": 1.0}), "a", "b", "c", "d", "e") == scored(answer.items)


@pytest.mark.parametrize("weight", [0.0, -2.0])
def test_what_was_not_liked_is_not_shown_and_says_nothing_else(tmp_path: Path, weight: float) -> None:
    served = serve(tmp_path, Telling({user: [Told("c", weight)] for user in (1, "new")}))
    known, stranger = recommend(served, [RecommendRequest(1, 5), RecommendRequest("new", 5)])
    assert (known.items, known.source) == ([("e", 1.0), ("d", 0.0)], "model")
    assert (stranger.ids, stranger.source) == (["a", "b", "d", "e"], "popular")


def test_dislike_takes_a_learnt_liking_back(tmp_path: Path) -> None:
    served = serve(tmp_path, Telling({1: [Told("b", -2.0)]}))
    [answer] = recommend(served, [RecommendRequest(1, 5)])
    assert answer.source == "fold_in"
    assert by_item(folded({"a": 1.0}), "c", "d", "e") == scored(answer.items)


def test_liking_adds_to_a_learnt_dislike(tmp_path: Path) -> None:
    live = Telling({1: [Told("a", 2.0)]})
    served = serve(tmp_path, live, weights=(-3.0, 2.0, 1.0))
    [still_disliked] = recommend(served, [RecommendRequest(1, 5)])
    assert still_disliked.source == "model"
    live.fed[1] = [Told("a", 4.0)]
    [liked] = recommend(served, [RecommendRequest(1, 5)])
    assert by_item(folded({"a": 1.0, "b": 2.0}), "c", "d", "e") == scored(liked.items)


def test_items_that_the_model_does_not_know_change_nothing(tmp_path: Path) -> None:
    unknown = [Told("z", 5.0), Told(7, 5.0)]
    served = serve(tmp_path, Telling({1: unknown, "new": unknown, 2: [*unknown, Told("c")]}))
    known, stranger, mixed = recommend(served, [RecommendRequest(user, 5) for user in (1, "new", 2)])
    assert (known.source, stranger.source, mixed.source) == ("model", "popular", "fold_in")
    assert known.items == [("c", 2.0), ("e", 1.0), ("d", 0.0)]
    assert by_item(folded({"d": 1.0, "c": 1.0}), "a", "b", "e") == scored(mixed.items)


def test_what_was_fed_shows_in_the_next_answer(tmp_path: Path) -> None:
    live = Telling()
    served = serve(tmp_path, live)
    first = recommend(served, [RecommendRequest(1, 1)])[0]
    live.fed[1] = [Told("c")]
    second = recommend(served, [RecommendRequest(1, 1)])[0]
    assert (first.ids, second.ids, second.source) == (["c"], ["e"], "fold_in")


pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(-2, 2)), unique_by=lambda pair: pair[0])


def columns(some: list[tuple[int, int]]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.array([row for row, _ in some], dtype=np.int32), np.array([weight for _, weight in some], np.float32)


@given(pairs, pairs)
def test_a_history_is_what_was_learnt_then_what_was_fed(
    learnt: list[tuple[int, int]], fed: list[tuple[int, int]]
) -> None:
    sums = dict(learnt)
    for row, weight in fed:
        sums[row] = sums.pop(row, 0) + weight  # at the end of the dict
    found = with_fed(History(*columns(learnt)), Fed(*columns(fed)))
    expected = {row: weight for row, weight in sums.items() if weight > 0}
    assert list(zip(found.items.tolist(), found.weights.tolist(), strict=True)) == list(expected.items())
    assert found.items.dtype == np.int32
    assert found.weights.dtype == np.float32


MANY = 300


def many(live: Telling) -> Recommender:
    """300 items, of which the last is the best for the one user, and the most popular."""
    arrays = catalogue_arrays([1], list(range(MANY)), popularity=list(range(MANY)), kinds=[i % 2 for i in range(MANY)])
    return recommender_of(arrays, TableScorer({0: [float(i) for i in range(MANY)]}), live=live, kinds=("even", "odd"))


@pytest.mark.parametrize(("count", "masked"), [(0, False), (256, False), (257, True), (MANY, True)])
def test_hidden_items_are_shown_to_nobody_however_many_they_are(count: int, masked: bool) -> None:
    shuffled = [item * 7 % MANY for item in range(MANY)]
    hidden = shuffled[:count]
    served = many(Telling(hidden=[*hidden, "no such item", 1000]))
    assert (served.freshness.hidden().shown is not None) is masked
    left = [item for item in reversed(range(MANY)) if item not in hidden]
    known, stranger, odd = recommend(
        served, [RecommendRequest(1, MANY), RecommendRequest(9, MANY), RecommendRequest(1, 5, Filter(kinds=("odd",)))]
    )
    assert known.items == [(item, float(item)) for item in left]
    assert stranger.ids == left
    assert odd.ids == [item for item in left if item % 2][:5]


def test_shown_again_they_come_back() -> None:
    live = Telling(hidden=[299, 298])
    served = many(live)
    live.show(299)
    assert recommend(served, [RecommendRequest(1, 2)])[0].ids == [299, 297]


def test_what_is_hidden_is_the_same_object_until_it_changes() -> None:
    live = Telling(hidden=[5])
    freshness = many(live).freshness
    first = freshness.hidden()
    assert freshness.hidden() is first
    assert freshness.look([1]).hidden is first
    live.hide(6)
    assert freshness.look([1]).hidden is not first
    assert freshness.hidden().rows.tolist() == [5, 6]


SLICED = catalogue_arrays([1, 2, 3], ["a", "b", "c"], popularity=[9, 5, 1])


def sliced(live: Telling) -> Recommender:
    """Each user's ranking takes two slices, and for each the first item is the best."""
    return recommender_of(SLICED, TableScorer({row: [3, 2, 1] for row in range(3)}, pauses=2), live=live)


@pytest.mark.parametrize("step", range(9))
def test_what_is_hidden_meanwhile_is_in_nothing_that_is_still_to_come(step: int) -> None:
    live = Telling()
    served = sliced(live)
    users: list[Id] = [1, 2, "stranger", 3, 1]
    answers: dict[int, list[int]] = {}
    hidden_from = None
    for done, ready in enumerate(served.answer([served.ask(RecommendRequest(user, 2)) for user in users])):
        for place, answer in ready:
            assert place not in answers
            answers[place] = answer.rows.tolist()
            assert answers[place] == ([0, 1] if hidden_from is None else [1, 2])
        if done == step:
            live.hide("a")
            hidden_from = done
    assert sorted(answers) == list(range(len(users)))


def test_who_hides_items_all_the_time_keeps_nobody_waiting() -> None:
    """Of what is hidden after each slice, some is among the items that were found, most is not."""
    live = Telling()
    served = sliced(live)
    answers: dict[int, list[int]] = {}
    for done, ready in enumerate(served.answer([served.ask(RecommendRequest(user, 2)) for user in (1, 2, 3)])):
        answers |= {place: answer.rows.tolist() for place, answer in ready}
        live.hide("a" if done == 3 else f"other {done}")
        assert done < 20
    assert answers == {0: [0, 1], 1: [1, 2], 2: [1, 2]}


@pytest.mark.parametrize("count", [1, 299])
def test_hidden_items_are_known_by_their_rows(count: int) -> None:
    hidden = many(Telling(hidden=range(count))).freshness.hidden()
    assert hidden.any_of(np.array([count, count - 1]))
    assert not hidden.any_of(np.array([count]))
    assert not hidden.any_of(np.empty(0, dtype=np.intp))


def test_a_change_that_another_call_saw_first_counts_too() -> None:
    live = Telling()
    served = sliced(live)
    steps = served.answer([served.ask(RecommendRequest(1, 1))])
    assert next(steps) == []
    live.hide("a")
    assert recommend(served, [RecommendRequest(2, 1)])[0].ids == ["b"]
    assert [answer.rows.tolist() for ready in steps for _, answer in ready] == [[1]]


def test_a_store_that_was_never_read_is_an_error() -> None:
    live = Telling()
    live.error = broken()
    served = many(live)
    with pytest.raises(StoreError, match=r"live\.sqlite"):
        recommend(served, [RecommendRequest(1, 1)])
    with pytest.raises(StoreError, match=r"live\.sqlite"):
        served.freshness.hidden()


@pytest.mark.parametrize("field", ["error", "list_error"])
def test_a_store_that_cannot_be_read_any_more_leaves_hidden_what_was(
    field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Telling({1: [Told(297)]}, hidden=[299])
    served = many(live)
    assert recommend(served, [RecommendRequest(1, 1)])[0].ids == [298]
    for _ in range(2):  # outages
        live.hide(298)
        setattr(live, field, broken())
        for _ in range(3):
            assert recommend(served, [RecommendRequest(1, 2)])[0].ids == [298, 297]
        told = capsys.readouterr().err
        assert told.startswith("port_worker: live.sqlite: expected a file that can be read, found: disk I/O error\n")
        assert told.count("\n") == 1
        setattr(live, field, None)
        assert recommend(served, [RecommendRequest(1, 1)])[0].ids == [296]
        live.show(298)
        assert recommend(served, [RecommendRequest(1, 1)])[0].ids == [298]
    assert capsys.readouterr().err == ""


def test_a_store_without_items_of_the_catalogue_hides_nothing() -> None:
    catalogue = Catalogue(SLICED, (), all_teach=True)
    hidden = Freshness(Telling(hidden=["z", 1]), catalogue).hidden()
    assert (hidden.rows.tolist(), hidden.shown) == ([], None)
