from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving import neighbourhood, neighbours
from port_worker.serving.neighbourhood import NeighbourhoodScorer
from port_worker.serving.ranking import OptionError, Ranked, Wanted
from port_worker.serving.subject import Subject
from port_worker.store.neighbourhood import Metric, NeighbourhoodFacts
from tests.serving.neighbourhood_world import World

ITEMS = 9
CLOSE = 1e-6
item_sets = st.sets(st.integers(0, ITEMS - 1))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    liked = draw(st.lists(item_sets.filter(bool), min_size=2, max_size=6))
    met = [draw(item_sets) - items for items in liked]
    facts = NeighbourhoodFacts(draw(st.sampled_from(["cosine", "jaccard"])), draw(st.integers(1, 2)))
    in_order = [draw(st.permutations(sorted(items))) for items in liked]
    return World(in_order, [sorted(items) for items in met], ITEMS, draw(st.booleans()), facts, draw(st.integers(1, 5)))


@st.composite
def subjects(draw: st.DrawFn, world: World) -> Subject:
    row = draw(st.none() | st.integers(0, len(world.liked) - 1))
    fresh = row is None or draw(st.booleans())
    return subject(row, draw(item_sets) if fresh else world.liked[row or 0], fresh=fresh)


def subject(row: int | None, items: set[int] | list[int], *, fresh: bool) -> Subject:
    rows = np.array(list(items), dtype=np.int32)
    return Subject(row, rows, np.full(len(rows), 3, dtype=np.float32), fresh)


def scorer_of(world: World) -> NeighbourhoodScorer:
    return NeighbourhoodScorer(world.facts, world.arrays(), world.catalogue())


def rank(scorer: NeighbourhoodScorer, *wanted: Wanted) -> list[Ranked]:
    return [ranked for ranked in scorer.rank(wanted) if ranked is not None]


def rows_of(*rows: int) -> NDArray[np.intp]:
    return np.array(rows, dtype=np.intp)


@given(st.data())
def test_scores_and_ranking_are_those_of_the_definition(data: st.DataObject) -> None:
    world = data.draw(worlds())
    scorer = scorer_of(world)
    asked = data.draw(st.lists(subjects(world), max_size=4))
    wanted = []
    for one in asked:
        banned = rows_of(*data.draw(item_sets))
        allowed = data.draw(st.none() | st.lists(st.booleans(), min_size=ITEMS, max_size=ITEMS))
        mask = None if allowed is None else np.array(allowed)
        wanted.append(Wanted(one, data.draw(st.integers(1, ITEMS + 2)), banned, mask))
    scores = [found for found in scorer.scores(asked) if found is not None]
    answers = rank(scorer, *wanted)
    assert len(scores) == len(answers) == len(asked)
    for one, each, found, answer in zip(asked, wanted, scores, answers, strict=True):
        expected = np.full(ITEMS, -np.inf)
        for item, value in world.scores(one).items():
            expected[item] = value
        np.testing.assert_allclose(found, expected, rtol=CLOSE)
        assert (scorer.source(one) == "popular") is bool(np.isneginf(expected).all())
        open_rows = [r for r in range(ITEMS) if r not in each.banned and (each.allowed is None or each.allowed[r])]
        scored = [r for r in open_rows if found[r] > -np.inf]
        assert answer.rows.tolist() == sorted(scored, key=lambda r: (-found[r], r))[: each.n]
        assert answer.scores.tolist() == found[answer.rows].tolist()


@given(st.data())
def test_score_rows_are_the_scores_of_those_rows(data: st.DataObject) -> None:
    world = data.draw(worlds())
    scorer = scorer_of(world)
    asked = data.draw(st.lists(subjects(world), min_size=1, max_size=3))
    rows = [rows_of(*data.draw(st.lists(st.integers(0, ITEMS - 1)))) for _ in asked]
    whole = [scores for scores in scorer.scores(asked) if scores is not None]
    some = [scores for scores in scorer.score_rows(asked, rows) if scores is not None]
    assert [scores.tolist() for scores in some] == [w[r].tolist() for w, r in zip(whole, rows, strict=True)]


@given(st.data())
def test_what_speaks_for_an_item(data: st.DataObject) -> None:
    """Where items vote, contributions add up to the score; else they are how alike the items are."""
    world = data.draw(worlds())
    scorer = scorer_of(world)
    one, row = data.draw(subjects(world)), data.draw(st.integers(0, ITEMS - 1))
    found = scorer.contributions(one, row)
    assert found.shape == one.items.shape
    alike = dict(world.items_like(row))
    if world.of_users:
        assert scorer.explains == "similarity"
        np.testing.assert_allclose(found, [alike.get(item, 0) for item in world.items_of(one)], rtol=CLOSE)
    else:
        assert scorer.explains == "exact"
        assert found.sum() == pytest.approx(world.scores(one).get(row, 0), rel=1e-5)


@given(st.data())
def test_similarity_and_closeness(data: st.DataObject) -> None:
    world = data.draw(worlds())
    scorer = scorer_of(world)
    rows = rows_of(*data.draw(st.lists(st.integers(0, ITEMS - 1), unique=True)))
    close = scorer.closeness(rows)
    assert close.tolist() == close.T.tolist()
    for place, row in enumerate(rows.tolist()):
        alike = dict(world.items_like(row))
        expected = [alike.get(item, -np.inf) for item in range(ITEMS)]
        np.testing.assert_allclose(scorer.similarity(row, "cosine"), expected, rtol=CLOSE)
        others = [1.0 if other == row else alike.get(other, 0.0) for other in rows.tolist()]
        np.testing.assert_allclose(close[place], others, rtol=CLOSE)


def world_of(liked: list[list[int]], *, of_users: bool = False, metric: Metric = "cosine", k: int = 5) -> World:
    return World(liked, [[] for _ in liked], ITEMS, of_users, NeighbourhoodFacts(metric, 1), k)


def test_closeness_by_swing_is_below_1() -> None:
    world = world_of([[0, 1, 2], [0, 1], [1, 2]])
    arrays = world.arrays()
    arrays.alike_similarities[:] *= 50
    close = NeighbourhoodScorer(NeighbourhoodFacts("swing", 1), arrays, world.catalogue()).closeness(
        rows_of(0, 1, 2, 8)
    )
    assert close.max() == 1
    assert 0 < close[0, 2] < close[0, 1] <= 1
    assert close[3].tolist() == [0, 0, 0, 1]


def test_equal_scores_come_in_ascending_row() -> None:
    scorer = scorer_of(world_of([[8, 3, 5, 1, 0]]))
    answer = rank(scorer, Wanted(subject(None, [5], fresh=True), 3, rows_of(0), None))[0]
    assert answer.rows.tolist() == [1, 3, 8]
    assert len(set(answer.scores.tolist())) == 1


@pytest.mark.parametrize("of_users", [True, False])
def test_the_caller_may_write_into_scores(of_users: bool) -> None:
    scorer = scorer_of(world_of([[0, 1, 2], [1, 2, 3]], of_users=of_users))
    one = subject(0, [0, 1, 2], fresh=False)
    for _ in range(2):
        scores = next(scorer.scores([one]))
        assert scores is not None
        assert scores[1] > 0
        scores[:] = -np.inf
    similarity = scorer.similarity(1, "cosine")
    similarity[:] = 0
    assert scorer.similarity(1, "cosine")[2] > 0


def test_a_metric_or_features_that_it_has_not_are_refused() -> None:
    scorer = scorer_of(world_of([[0, 1], [1, 2]]))
    with pytest.raises(OptionError, match="metric") as refused:
        scorer.similarity(0, "dot")
    assert refused.value.known == ["cosine"]
    with pytest.raises(OptionError, match="features"):
        scorer.check_features({"language": "en"})
    assert not {"dot", "features"} & scorer.options


def test_much_work_is_done_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may run between two parts of a fold-in, and between two answers; and nothing else changes."""
    scorer = scorer_of(world_of([[0, 1, 2, 3], [1, 2, 3], [3, 4], [0, 4]], of_users=True))
    wanted = [Wanted(subject(None, [0, 1, 3, 4], fresh=True), 5, rows_of(), None)] * 3
    whole = list(scorer.rank(wanted))
    monkeypatch.setattr(neighbours, "_PAIRS_AT_ONCE", 2)
    monkeypatch.setattr(neighbourhood, "_VOTES_AT_ONCE", 1)
    cut = list(scorer.rank(wanted))
    assert cut.count(None) > whole.count(None) + 3
    assert [r.rows.tolist() for r in cut if r] == [r.rows.tolist() for r in whole if r]
    assert [r.scores.tolist() for r in cut if r] == [r.scores.tolist() for r in whole if r]


def test_an_own_row_is_no_neighbour_of_a_user_with_something_new() -> None:
    scorer = scorer_of(world_of([[0, 1], [1, 2]], of_users=True))
    scores = next(s for s in scorer.scores([subject(0, [0, 1], fresh=True)]) if s is not None)
    assert np.flatnonzero(scores > -np.inf).tolist() == [1, 2]


def test_nothing_but_the_own_row_shares_anything() -> None:
    scorer = scorer_of(world_of([[0], [1, 2]], of_users=True))
    assert scorer.source(subject(0, [0], fresh=True)) == "popular"
    assert scorer.source(subject(None, [0], fresh=True)) == "fold_in"
    assert scorer.source(subject(0, [0, 1], fresh=True)) == "fold_in"
