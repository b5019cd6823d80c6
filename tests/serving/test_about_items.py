"""Questions about single items: what is like one, how good it is for a user, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.about_items import UnknownItemError, explain, score, similar
from port_worker.serving.ids import plain_ids
from port_worker.serving.ranking import Metric, OptionError
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Explanation, Filter, Id, RecommendRequest, Scores, SimilarItems, SimilarRequest
from port_worker.serving.steps import finish
from port_worker.store.embedding import EmbeddingArrays
from tests.models import Told, catalogue_arrays, serve_embedding
from tests.serving.asking import recommend
from tests.serving.fakes import NONE, TableScorer, recommender_of
from tests.serving.telling import Telling

ITEMS: list[Id] = ["a", "b", "c", "d", "e"]
VECTORS = np.array([[3, 0], [6, 8], [0, 2], [-1, 0], [0, 0]], dtype=np.float32)
COSINES = {"a": 0.6, "c": 0.8, "d": -0.6, "e": 0.0}  # to b
PRODUCTS = {"a": 18.0, "c": 16.0, "d": -6.0, "e": 0.0}


@pytest.fixture
def live() -> Telling:
    return Telling()


@pytest.fixture
def served(tmp_path: Path, live: Telling) -> Recommender:
    """User 1 has met a and d; a and c are maps, b is a prop."""
    catalogue = catalogue_arrays([1, 2], ITEMS, [[0, 3], []], popularity=[5, 4, 3, 2, 1], kinds=[0, 1, 0, 255, 255])
    users = np.array([[1, 2], [0, 1]], dtype=np.float32)
    facts = {"kinds": ["map", "prop"]}
    return serve_embedding(tmp_path, catalogue, EmbeddingArrays(users, VECTORS), live=live, facts=facts).recommender


def laid(found: SimilarItems) -> dict[Id, float]:
    scores = found.scores.tolist()
    assert scores == sorted(scores, reverse=True)
    return dict(zip(plain_ids(found.ids), scores, strict=True))


def likeness(served: Recommender, n: int = 9, metric: Metric = "cosine", **wanted: tuple[str, ...]) -> dict[Id, float]:
    found = similar(served, SimilarRequest("b", n, metric, Filter(**wanted)))
    assert found.exhausted is (len(found.ids) < n)
    return laid(found)


@pytest.mark.parametrize(("metric", "expected"), [("cosine", COSINES), ("dot", PRODUCTS)])
def test_the_items_most_like_one_without_itself(served: Recommender, metric: Metric, expected: dict[Id, float]) -> None:
    assert likeness(served, metric=metric) == pytest.approx(expected, abs=1e-6)
    assert list(likeness(served, n=2, metric=metric)) == sorted(expected, key=lambda item: -expected[item])[:2]


def test_of_some_kinds_and_without_some(served: Recommender) -> None:
    assert list(likeness(served, kinds=("map",))) == ["c", "a"]
    assert list(likeness(served, kinds=("prop",))) == []
    assert list(likeness(served, exclude=("c", "z", "e"))) == ["a", "d"]
    with pytest.raises(OptionError, match=r"kinds\[0\]"):
        likeness(served, kinds=("dance",))


def test_hidden_items_are_like_none_but_may_be_asked_about(served: Recommender, live: Telling) -> None:
    live.hide("b", "c")
    assert list(likeness(served)) == ["a", "e", "d"]


def test_exactly_as_many_as_there_are_is_not_too_many(served: Recommender) -> None:
    assert not similar(served, SimilarRequest("b", 4)).exhausted
    assert similar(served, SimilarRequest("b", 5)).exhausted


@pytest.mark.parametrize("item", ["z", 1, ""])
def test_an_item_that_is_none_of_the_model_s(served: Recommender, item: Id) -> None:
    with pytest.raises(UnknownItemError) as caught:
        similar(served, SimilarRequest(item, 1))
    assert caught.value.item == item
    with pytest.raises(UnknownItemError, match="item: expected one that the model knows"):
        finish(explain(served, 1, item, 1))


def fake(options: Sequence[str], *, pauses: int = 0, live: Telling | None = None) -> Recommender:
    """Two users, of whom the scorer knows the first."""
    likeness = [[1.0, 0.5, -1.0], [0.5, 1.0, NONE], [-1.0, NONE, 1.0]]
    scorer = TableScorer({0: [1, NONE, 3]}, options, pauses=pauses, likeness=likeness)
    arrays = catalogue_arrays([1, 2], ["a", "b", "c"], [[0, 1], [2]], popularity=[7, 2**24 + 1, 5])
    return recommender_of(arrays, scorer, live=live)


def test_what_has_no_likeness_does_not_come_back() -> None:
    found = similar(fake(["similar"]), SimilarRequest("b", 2))
    assert (laid(found), found.exhausted) == ({"a": 0.5}, True)


def test_an_option_that_the_model_lacks_is_refused_by_name() -> None:
    with pytest.raises(OptionError) as caught:
        similar(fake(["similar", "explain"]), SimilarRequest("a", 1, "dot"))
    assert (caught.value.field, caught.value.known) == ("metric", ["cosine"])
    with pytest.raises(OptionError, match="similar: "):
        similar(fake(["explain", "dot"]), SimilarRequest("a", 1))
    with pytest.raises(OptionError, match="explain: "):
        finish(explain(fake(["similar"]), 1, "a", 1))


def of_items(found: Scores) -> list[float | None]:
    return [None if math.isnan(each) else each for each in found.scores.tolist()]


def test_scores_come_in_the_order_of_the_items_hidden_and_met_or_not(served: Recommender, live: Telling) -> None:
    live.hide("b")
    found = finish(score(served, 1, ("d", "b", "z", "a", "b", 7)))
    assert of_items(found) == [-1.0, 22.0, None, 3.0, 22.0, None]
    assert found.source == "model"
    assert found.scores.dtype == np.float32


def test_scores_of_a_column(served: Recommender) -> None:
    assert of_items(finish(score(served, 2, np.array([b"c", b"longer", b"a"])))) == [2.0, None, 0.0]
    assert of_items(finish(score(served, 2, np.array([1, 2])))) == [None, None]


def test_scores_of_a_folded_in_user_are_those_of_their_recommendations(served: Recommender, live: Telling) -> None:
    live.fed = {1: [Told("c", 2.0)], "new": [Told("b")]}
    for user in (1, "new"):
        [answer] = recommend(served, [RecommendRequest(user, 5, filter_consumed=False)])
        found = finish(score(served, user, tuple(answer.ids)))
        assert found.source == answer.source == "fold_in"
        assert found.scores.tolist() == pytest.approx([each for _, each in answer.items], rel=1e-6, abs=1e-6)


def test_for_a_stranger_scores_are_counts(served: Recommender) -> None:
    found = finish(score(served, "stranger", ("c", "z", "a")))
    assert (of_items(found), found.source) == ([3.0, None, 5.0], "popular")


def test_counts_are_exact() -> None:
    assert of_items(finish(score(fake([]), 2, ("b",)))) == [2.0**24 + 1]


def test_what_the_model_can_say_nothing_of_scores_zero_and_others_may_run_meanwhile() -> None:
    steps = score(fake([], pauses=3), 1, ("b", "a", "z", "c"))
    for _ in range(3):
        next(steps)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert of_items(end.value.value) == [0.0, 1.0, None, 3.0]


def spoken(found: Explanation) -> list[tuple[Id, float]]:
    return list(zip(plain_ids(found.ids), found.contributions.tolist(), strict=True))


@pytest.mark.parametrize("user", [1, "new"])
@pytest.mark.parametrize("item", ["a", "b", "e"])
def test_the_contributions_of_a_folded_in_user_add_up_to_the_score(
    served: Recommender, live: Telling, user: Id, item: Id
) -> None:
    live.fed = {1: [Told("c", 2.0), Told("a", 0.5)], "new": [Told("a"), Told("c", 3.0), Told("z"), Told("d", -1.0)]}
    found = finish(explain(served, user, item, 9))
    assert (found.source, found.exact) == ("fold_in", True)
    assert float(found.contributions.sum()) == pytest.approx(found.score, abs=1e-4)
    assert finish(score(served, user, (item,))).scores.tolist() == [found.score]
    assert sorted(map(str, plain_ids(found.ids))) == (["a", "c", "d"] if user == 1 else ["a", "c"])
    assert spoken(found) == sorted(spoken(found), key=lambda pair: -pair[1])
    assert spoken(finish(explain(served, user, item, 1))) == spoken(found)[:1]


def test_who_has_no_items_has_no_explanation(served: Recommender) -> None:
    known, stranger = finish(explain(served, 2, "b", 5)), finish(explain(served, "stranger", "b", 5))
    assert (spoken(known), known.source, known.score) == ([], "model", 8.0)
    assert (spoken(stranger), stranger.source, stranger.score) == ([], "popular", 4.0)


def test_popularity_is_not_what_contributions_add_up_to() -> None:
    found = finish(explain(fake(["explain"]), 2, "a", 5))
    assert (found.source, found.score, found.exact) == ("popular", 7.0, False)
    assert finish(explain(fake(["explain"]), 1, "a", 5)).exact


def test_what_contributes_as_much_comes_in_the_order_of_the_history() -> None:
    scorer = TableScorer({0: [1, 1, 1]}, ["explain"], likeness=np.ones((3, 3)))
    served = recommender_of(catalogue_arrays([1], ["a", "b", "c"], [[2, 0, 1]]), scorer)
    assert [item for item, _ in spoken(finish(explain(served, 1, "a", 2)))] == ["c", "a"]


def test_disliked_items_explain_nothing() -> None:
    arrays = catalogue_arrays([1], ["a", "b"], [[0, 1]], weights=[1.0, -1.0])
    scorer = TableScorer({0: [1, 1]}, ["explain"], likeness=np.ones((2, 2)))
    assert spoken(finish(explain(recommender_of(arrays, scorer), 1, "b", 9))) == [("a", 1.0)]


def test_asking_changes_no_later_answer(served: Recommender) -> None:
    def all_of_it() -> list[NDArray[np.float32]]:
        return [similar(served, SimilarRequest("b", 4, metric)).scores for metric in ("cosine", "dot")]

    first, second = all_of_it(), all_of_it()
    assert [each.tolist() for each in first] == [each.tolist() for each in second]
