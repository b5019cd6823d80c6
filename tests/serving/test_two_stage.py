"""Candidates of one scorer, in the order of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving.ranking import FullRanking, OptionError, Ranked, Wanted
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Filter, Id, RecommendRequest
from port_worker.serving.subject import Features, Subject
from port_worker.serving.two_stage import TwoStageRanking, TwoStageScorer
from tests.models import catalogue_arrays
from tests.serving.asking import recommend
from tests.serving.fakes import NONE, Table, TableScorer, recommender_of
from tests.serving.reference import ranked

POPULAR = [4, 3, 2, 1, 0]


def most_popular(n: int, banned: NDArray[np.intp], allowed: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    left = [row for row in POPULAR if row not in banned and (allowed is None or allowed[row])]
    return np.array(left[:n], dtype=np.intp)


def wanted(
    row: int | None,
    n: int,
    banned: Sequence[int] = (),
    allowed: Sequence[bool] | None = None,
    features: Features | None = None,
) -> Wanted:
    nothing = np.empty(0, dtype=np.int32)
    subject = Subject(row, nothing, nothing.astype(np.float32), fresh=False, features=features)
    return Wanted(subject, n, np.array(banned, dtype=np.intp), None if allowed is None else np.array(allowed))


def ranking_of(retriever: TableScorer, ranker: TableScorer, candidates: int) -> TwoStageRanking:
    return TwoStageRanking(TwoStageScorer(retriever, ranker), FullRanking(retriever), most_popular, candidates)


def rank(ranking: TwoStageRanking, *some: Wanted) -> list[list[tuple[int, float]]]:
    answers = [each for each in ranking.rank(some) if each is not None]
    assert len(answers) == len(some)
    return [list(zip(each.rows.tolist(), each.scores.tolist(), strict=True)) for each in answers]


RETRIEVED: Table = {0: [5, 4, 3, 2, 1], 1: [1, 2, 3, 4, 5]}
RANKED: Table = {0: [0, 1, 2, 9, 9], 2: [7, 7, 1, 7, 0]}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (wanted(0, 1), [(2, 2)]),  # the ranker's best of all, 3 and 4, are no candidates
        (wanted(0, 3), [(2, 2), (1, 1), (0, 0)]),
        (wanted(0, 4), [(3, 9), (2, 2), (1, 1), (0, 0)]),  # as many candidates as are wanted
        (wanted(0, 99), [(3, 9), (4, 9), (2, 2), (1, 1), (0, 0)]),
        (wanted(0, 1, banned=[0, 2, 1]), [(3, 9)]),
        (wanted(0, 2, allowed=[True, False, True, False, True]), [(4, 9), (2, 2)]),
        (wanted(0, 2, banned=range(5)), []),
        (wanted(1, 2), [(4, 5), (3, 4)]),  # whom the ranker does not know: the retriever's order and scores
        (wanted(2, 3), [(3, 7), (2, 1), (4, 0)]),  # whom the retriever does not know: 4, 3 and 2 are popular
        (wanted(2, 5), [(0, 7), (1, 7), (3, 7), (2, 1), (4, 0)]),
        (wanted(2, 1, banned=[3], allowed=[True, True, True, True, False]), [(0, 7)]),
    ],
)
def test_the_ranker_orders_what_the_retriever_brings(asked: Wanted, expected: list[tuple[int, float]]) -> None:
    assert rank(ranking_of(TableScorer(RETRIEVED), TableScorer(RANKED), 3), asked) == [expected]


small = st.integers(-2, 2).map(float)
scores_of_five = st.lists(small | st.just(NONE), min_size=5, max_size=5)
tables = st.dictionaries(st.integers(0, 3), scores_of_five, max_size=4)
masks = st.none() | st.lists(st.booleans(), min_size=5, max_size=5)
calls = st.builds(wanted, st.integers(0, 3), st.integers(1, 7), st.lists(st.integers(0, 4)), masks)


def by_definition(retrieved: Table, order: Table, candidates: int, asked: Wanted) -> list[tuple[int, float]]:
    row, count = asked.subject.row, max(asked.n, candidates)
    left = [i for i in POPULAR if i not in asked.banned and (asked.allowed is None or asked.allowed[i])]
    if row in retrieved:
        scores = [score if i in left else NONE for i, score in enumerate(retrieved[row])]
        found = [(i, scores[i]) for i in ranked(scores, count)]
    else:
        found = [(i, 0.0) for i in left[:count]]
    if row in order:
        chosen = {i for i, _ in found}
        scores = [score if i in chosen else NONE for i, score in enumerate(order[row])]
        found = [(i, scores[i]) for i in ranked(scores, count)]
    return found[: asked.n]


@given(
    tables, tables, st.integers(1, 6), st.lists(calls, max_size=5), st.lists(st.integers(0, 2), min_size=2, max_size=2)
)
def test_a_batch_is_ranked_by_definition_in_whatever_slices(
    retrieved: Table, order: Table, candidates: int, batch: list[Wanted], pauses: list[int]
) -> None:
    scorers = [TableScorer(table, pauses=count) for table, count in zip((retrieved, order), pauses, strict=True)]
    ranking = ranking_of(scorers[0], scorers[1], candidates)
    expected = [by_definition(retrieved, order, candidates, each) for each in batch]
    assert rank(ranking, *batch) == expected
    assert [rank(ranking, each)[0] for each in batch] == expected


def test_others_may_run_in_every_slice_of_both() -> None:
    ranking = ranking_of(TableScorer(RETRIEVED, pauses=2), TableScorer(RANKED, pauses=3), 3)
    steps = list(ranking.rank([wanted(0, 1), wanted(1, 1), wanted(2, 1)]))
    assert sum(step is None for step in steps) == 2 + 2 + 3 + 3  # of two each
    assert all(isinstance(step, Ranked) for step in steps[-3:])


LANGUAGE: Features = {"language": "en"}


@pytest.mark.parametrize(
    ("retrieves", "ranks", "expected"),
    [
        (["features"], ["features"], [(0, 8), (3, 1)]),
        # The fake refuses features that it has no option for, so those must not get there.
        ([], ["features"], [(4, 9), (3, 1)]),  # of popular candidates
        (["features"], [], [(2, 7), (0, 6)]),  # in the retriever's order
    ],
)
def test_features_go_where_they_are_known(
    retrieves: list[str], ranks: list[str], expected: list[tuple[int, float]]
) -> None:
    retriever = TableScorer({None: [6, 0, 7, 5, 0]}, retrieves)
    ranker = TableScorer({None: [8, 0, 0, 1, 9]}, ranks)
    scorer = TwoStageScorer(retriever, ranker)
    ranking = TwoStageRanking(scorer, FullRanking(retriever), most_popular, 3)
    asked = wanted(None, 2, features=LANGUAGE)
    assert rank(ranking, asked) == [expected]
    assert scorer.source(asked.subject) == "features"
    assert "features" in scorer.options
    assert scorer.check_features({"language": "en", "mood": "odd"}) == (LANGUAGE, ["mood"])


def test_without_features_in_either_they_are_refused() -> None:
    scorer = TwoStageScorer(TableScorer({}, ["similar"]), TableScorer({}, ["dot"]))
    assert scorer.options == {"similar"}  # items are compared as the retriever does
    with pytest.raises(OptionError, match="features: "):
        scorer.check_features(LANGUAGE)


def test_scores_are_the_ranker_s_where_it_has_any() -> None:
    scorer = TwoStageScorer(TableScorer(RETRIEVED, pauses=1), TableScorer(RANKED, pauses=1))
    subjects = [wanted(row, 1).subject for row in (1, 0, 2)]
    assert [scorer.source(subject) for subject in subjects] == ["model"] * 3
    assert scorer.source(wanted(3, 1).subject) == "popular"
    found = [each.tolist() for each in scorer.scores(subjects) if each is not None]
    assert found == [RETRIEVED[1], RANKED[0], RANKED[2]]
    rows = [np.array(some, dtype=np.intp) for some in ([4, 0], [], [1, 1, 2])]
    assert [each.tolist() for each in scorer.score_rows(subjects, rows) if each is not None] == [[5, 1], [], [7, 7, 1]]


def test_likeness_is_the_retriever_s() -> None:
    likeness = [[1.0, 0.5], [0.5, 1.0]]
    retriever = TableScorer({}, ["similar"], likeness=likeness)
    scorer = TwoStageScorer(retriever, TableScorer({}, likeness=np.zeros((2, 2))))
    subject = Subject(0, np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32), fresh=False, features=LANGUAGE)
    assert scorer.similarity(0, "cosine").tolist() == [1.0, 0.5]
    assert scorer.closeness(np.array([1, 0])).tolist() == likeness
    assert (scorer.contributions(subject, 0).tolist(), scorer.explains) == ([0.5], "similarity")


@pytest.fixture
def served() -> Recommender:
    """Of users 1, 2 and 3 the retriever knows 1 and 2, and the ranker 1 and 3, who has met e."""
    items: list[Id] = ["a", "b", "c", "d", "e"]
    arrays = catalogue_arrays([1, 2, 3], items, [[], [], [4]], popularity=[1, 2, 3, 4, 5])
    retriever = TableScorer(RETRIEVED)
    scorer = TwoStageScorer(retriever, TableScorer({0: [NONE, 1, 2, 9, 9], 2: [7, 7, 1, 7, 0]}))
    ranking = TwoStageRanking(scorer, FullRanking(retriever), most_popular, 3)
    return recommender_of(arrays, scorer, ranking=ranking)


def test_as_a_recommender(served: Recommender) -> None:
    first, second, third, stranger = recommend(served, [RecommendRequest(user, 2) for user in (1, 2, 3, 4)])
    assert first.ids == ["c", "b"]
    assert second.ids == ["e", "d"]
    assert third.ids == ["b", "d"]
    assert (stranger.ids, stranger.source) == (["e", "d"], "popular")


def test_popular_items_follow_candidates_that_the_ranker_cannot_score(served: Recommender) -> None:
    [answer] = recommend(served, [RecommendRequest(1, 3, Filter(exclude=("d",)))])
    assert (answer.items, answer.scored) == ([("c", 2.0), ("b", 1.0), ("e", 0.0)], 2)
