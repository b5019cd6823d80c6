"""The options of a call, and what comes back where a model can rank too few items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.diversity import pool_size
from port_worker.serving.ranking import OptionError
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Filter, Id, Ids, RecommendRequest
from port_worker.store.embedding import EmbeddingArrays
from tests.models import Told, catalogue_arrays, serve_embedding
from tests.serving.asking import Seen, recommend
from tests.serving.fakes import NONE, TableScorer, Watched, recommender_of
from tests.serving.telling import Telling

ITEMS: list[Id] = ["a", "b", "c", "d"]
# a and b are copies, and c is half like them.
LIKENESS = [[1.0, 1.0, 0.5, 0.0], [1.0, 1.0, 0.5, 0.0], [0.5, 0.5, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def diverse(options: tuple[str, ...] = ("diversity",)) -> Recommender:
    arrays = catalogue_arrays([1, 2], ITEMS, [[], [0]], popularity=[4, 3, 2, 1])
    return recommender_of(arrays, TableScorer({0: [8, 7, 6, 0], 1: [8, 7, 6, 0]}, options, likeness=LIKENESS))


def asked(recommender: Recommender, request: RecommendRequest) -> Seen:
    return recommend(recommender, [request])[0]


@pytest.mark.parametrize(
    ("diversity", "expected"),
    [(0.0, [("a", 8.0), ("b", 7.0), ("c", 6.0)]), (1.0, [("a", 8.0), ("d", 0.0), ("c", 6.0)])],
)
def test_diversity_trades_scores_for_unlikeness(diversity: float, expected: list[tuple[Id, float]]) -> None:
    assert asked(diverse(), RecommendRequest(1, 3, diversity=diversity)).items == expected


def test_popular_items_are_made_diverse_too() -> None:
    answer = asked(diverse(), RecommendRequest("stranger", 3, diversity=1.0))
    assert (answer.items, answer.source) == ([("a", 4.0), ("d", 1.0), ("c", 2.0)], "popular")


def test_a_diverse_answer_holds_all_that_is_left_and_says_so() -> None:
    answer = asked(diverse(), RecommendRequest(2, 9, diversity=0.5))
    assert (sorted(map(str, answer.ids)), answer.exhausted, answer.scored) == (["b", "c", "d"], True, 3)


def test_diversity_chooses_from_a_pool_that_is_larger_than_the_answer() -> None:
    size = 200
    likeness = np.eye(size)
    scorer = TableScorer({0: [float(-i) for i in range(size)]}, ["diversity"], likeness=likeness)
    ranking = Watched(scorer)
    served = recommender_of(catalogue_arrays([1], list(range(size))), scorer, ranking=ranking)
    assert asked(served, RecommendRequest(1, 3, diversity=0.5)).ids == [0, 1, 2]
    assert asked(served, RecommendRequest(1, 3)).ids == [0, 1, 2]
    assert [wanted.n for wanted in ranking.wanted] == [pool_size(3), 3]


@pytest.mark.parametrize("user", [1, "stranger"])
def test_past_a_thousand_items_score_alone_counts(user: Id) -> None:
    """All but item 999 are alike, so that it is the second, whatever its score."""
    size = 1200
    likeness = np.ones((size, size), dtype=np.float32)
    likeness[999] = likeness[:, 999] = -1
    scorer = TableScorer({0: range(size, 0, -1)}, ["diversity"], likeness=likeness)
    arrays = catalogue_arrays([1], list(range(size)), popularity=list(range(size, 0, -1)))
    answer = asked(recommender_of(arrays, scorer), RecommendRequest(user, 1100, diversity=0.75))
    assert answer.ids == [0, 999, *range(1, 999), *range(1000, 1100)]
    assert answer.items[-1] == (1099, 101.0)


def test_others_may_run_after_each_diverse_answer() -> None:
    served = diverse()
    requests = [RecommendRequest(user, 2, diversity=0.5) for user in (1, "stranger", 2, "another")]
    slices = [len(ready) for ready in served.answer([served.ask(request) for request in requests])]
    assert max(slices) == 1
    assert sum(slices) == 4


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("diversity", RecommendRequest(1, 1, diversity=0.25)),
        ("recent", RecommendRequest(1, 1, recent=("a",))),
        ("recent", RecommendRequest(1, 1, recent=("no such item",))),
        ("features", RecommendRequest(1, 1, features={"language": "en"})),
    ],
)
def test_an_option_that_the_model_lacks_is_refused_by_name(field: str, request_: RecommendRequest) -> None:
    with pytest.raises(OptionError) as caught:
        diverse(options=("similar",)).ask(request_)
    assert caught.value.field == field
    assert diverse(options=("similar",)).ask(RecommendRequest(1, 1, diversity=0.0)).ignored == ()


ITEM_VECTORS = np.array([[1, 0], [2, 1], [2, 5], [0, 1]], dtype=np.float32)


def folding(root: Path, live: Telling | None = None) -> Recommender:
    """User 1 has met a; the model folds in."""
    users = np.array([[1, 0], [0, 1]], dtype=np.float32)
    catalogue = catalogue_arrays([1, 2], ITEMS, [[0], []], popularity=[1, 2, 3, 4])
    return serve_embedding(root, catalogue, EmbeddingArrays(users, ITEM_VECTORS), live=live).recommender


def test_recent_items_are_taken_in_their_order_and_as_often_as_they_come(tmp_path: Path) -> None:
    found = folding(tmp_path).ask(RecommendRequest(1, 2, recent=("c", "x", "a", 7, "c", "y")))
    assert found.recent is not None
    assert found.recent.tolist() == [2, 0, 2]
    assert found.ignored == ("recent[1]", "recent[3]", "recent[5]")


def test_recent_items_may_come_as_a_column(tmp_path: Path) -> None:
    found = folding(tmp_path).ask(RecommendRequest(1, 2, recent=np.array([b"c", b"longer than any", b"a"])))
    assert found.recent is not None
    assert (found.recent.tolist(), found.ignored) == ([2, 0], ("recent[1]",))


def test_recent_items_stand_in_for_the_history_and_count_as_met(tmp_path: Path) -> None:
    served = folding(tmp_path, Telling({1: [Told("d", 9.0)]}))
    request = RecommendRequest("stranger", 4, recent=("b",))
    stranger, known = recommend(served, [request, RecommendRequest(1, 4, recent=("b",))])
    assert (stranger.source, known.source) == ("fold_in", "fold_in")
    assert sorted(map(str, stranger.ids)) == ["a", "c", "d"]
    assert known.items == [pair for pair in stranger.items if pair[0] not in ("a", "d")]  # which they have met
    again = asked(served, RecommendRequest("stranger", 4, filter_consumed=False, recent=("b",)))
    assert sorted(map(str, again.ids)) == ["a", "b", "c", "d"]


def test_what_comes_twice_in_recent_counts_as_if_it_were_fed_twice(tmp_path: Path) -> None:
    served = folding(tmp_path, Telling({"fed": [Told("b", 2.0), Told("c", 1.0)]}))
    twice, fed, once = recommend(
        served,
        [
            RecommendRequest("stranger", 4, recent=("b", "c", "b")),
            RecommendRequest("fed", 4),
            RecommendRequest("stranger", 4, recent=("b", "c")),
        ],
    )
    assert twice == fed
    assert twice.items != once.items


UNKNOWN: Ids = ("x", 7)


@pytest.mark.parametrize("user", [1, 2, "fed", "stranger"])
def test_of_recent_items_that_are_all_unknown_nothing_is_made(tmp_path: Path, user: Id) -> None:
    served = folding(tmp_path, Telling({"fed": [Told("b")], 2: [Told("b")]}))
    ignoring, plain = recommend(served, [RecommendRequest(user, 4, recent=UNKNOWN), RecommendRequest(user, 4)])
    assert ignoring == plain
    assert served.ask(RecommendRequest(user, 4, recent=UNKNOWN)).ignored == ("recent[0]", "recent[1]")


def featured() -> tuple[Recommender, TableScorer]:
    scorer = TableScorer({0: [3, 2, 1, 0], None: [0, 1, 2, 3]}, ["features"])
    return recommender_of(catalogue_arrays([1], ITEMS, popularity=[1, 4, 3, 2]), scorer), scorer


def test_features_rank_for_whom_they_describe() -> None:
    served, scorer = featured()
    request = RecommendRequest("stranger", 1, features={"language": "en", "mood": "odd"})
    answer = asked(served, request)
    assert (answer.ids, answer.source) == (["d"], "features")
    assert scorer.subjects[0].features == {"language": "en"}
    assert served.ask(request).ignored == ("features.mood",)


def test_of_features_that_are_all_unknown_nothing_is_made() -> None:
    served, _ = featured()
    unmet = {"mood": "odd"}
    known, stranger = recommend(served, [RecommendRequest(user, 1, features=unmet) for user in (1, "stranger")])
    assert (known.ids, known.source) == (["a"], "model")
    assert (stranger.ids, stranger.source) == (["b"], "popular")


def sparing(live: Telling | None = None) -> Recommender:
    """Scores two of five items, and no more; user 1 has met e, and half of the items are maps."""
    arrays = catalogue_arrays([1], ["a", "b", "c", "d", "e"], [[4]], popularity=[1, 5, 2, 5, 9], kinds=[0, 1, 0, 1, 0])
    scorer = TableScorer({0: [-2, NONE, 1, NONE, NONE]}, ["diversity"], likeness=np.eye(5))
    return recommender_of(arrays, scorer, live=live, kinds=("map", "prop"))


@pytest.mark.parametrize(
    ("request_", "expected", "scored"),
    [
        (RecommendRequest(1, 1), [("c", 1.0)], 1),
        (RecommendRequest(1, 2), [("c", 1.0), ("a", -2.0)], 2),
        (RecommendRequest(1, 3), [("c", 1.0), ("a", -2.0), ("b", 0.0)], 2),
        (RecommendRequest(1, 9), [("c", 1.0), ("a", -2.0), ("b", 0.0), ("d", 0.0)], 2),
        (RecommendRequest(1, 3, filter_consumed=False), [("c", 1.0), ("a", -2.0), ("e", 0.0)], 2),
        (RecommendRequest(1, 9, Filter(exclude=("b", "c"))), [("a", -2.0), ("d", 0.0)], 1),
        (RecommendRequest(1, 9, Filter(kinds=("prop",))), [("b", 0.0), ("d", 0.0)], 0),
        (RecommendRequest(1, 9, Filter(kinds=("map",))), [("c", 1.0), ("a", -2.0)], 2),
        (RecommendRequest(1, 3, diversity=0.5), [("c", 1.0), ("a", -2.0), ("b", 0.0)], 2),
    ],
)
def test_popular_items_follow_those_that_the_model_can_score(
    request_: RecommendRequest, expected: list[tuple[Id, float]], scored: int
) -> None:
    assert asked(sparing(), request_) == Seen(expected, "model", len(expected) < request_.n, scored)


def test_hidden_items_do_not_follow_either() -> None:
    answer = asked(sparing(Telling(hidden=["b", "c"])), RecommendRequest(1, 4))
    assert answer.items == [("a", -2.0), ("d", 0.0)]


LARGE = 120_000
EXCLUDED = np.arange(0, LARGE, dtype=np.int64)[np.arange(LARGE) % 6 != 1][: 10**5]


@pytest.fixture(scope="module")
def large() -> Recommender:
    """The higher its number, the better an item is, and the more popular."""
    numbers = np.arange(LARGE)
    arrays = catalogue_arrays([1], numbers.tolist(), popularity=numbers.tolist())
    return recommender_of(arrays, TableScorer({0: numbers.tolist()}))


@pytest.mark.parametrize("user", [1, "stranger"])
def test_a_hundred_thousand_items_may_be_excluded_by_a_column(large: Recommender, user: Id) -> None:
    unknown = np.array([-5, LARGE, 2**62])
    request = RecommendRequest(user, 30_000, Filter(exclude=np.concatenate([EXCLUDED, unknown])))
    answer = asked(large, request)
    assert len(EXCLUDED) == 10**5
    assert answer.ids == sorted(set(range(LARGE)) - set(EXCLUDED.tolist()), reverse=True)
    assert answer.exhausted


@pytest.mark.parametrize("user", [1, "stranger"])
def test_as_many_items_as_there_are(large: Recommender, user: Id) -> None:
    all_of_them, too_many = recommend(large, [RecommendRequest(user, n) for n in (LARGE, LARGE + 1)])
    assert all_of_them.ids == list(reversed(range(LARGE)))
    assert (all_of_them.exhausted, too_many.exhausted) == (False, True)
    assert too_many.ids == all_of_them.ids


class TestMostPopular:
    """Of 1000 items, the first the most popular."""

    size = 1000

    @pytest.fixture
    def catalogue(self) -> Catalogue:
        items = list(range(self.size))
        return Catalogue(catalogue_arrays([1], items, popularity=list(reversed(items))), (), all_teach=True)

    @pytest.mark.parametrize("n", [1, 3, 999, 1000, 5000])
    @pytest.mark.parametrize("banned", [[], [0], list(range(400)), [0, 0, 0, 500], list(range(1000))])
    @pytest.mark.parametrize("allowed", [None, "late", "odd", "none"])
    def test_it_looks_as_far_as_it_takes(self, catalogue: Catalogue, n: int, banned: list[int], allowed: str) -> None:
        masks = {
            "late": np.arange(self.size) >= 990,
            "odd": np.arange(self.size) % 2 == 1,
            "none": np.zeros(1000, bool),
        }
        mask = masks.get(allowed)
        left = [row for row in range(self.size) if row not in banned and (mask is None or mask[row])]
        found = catalogue.most_popular(n, np.array(banned, dtype=np.intp), mask)
        assert found.tolist() == left[:n]
        assert found.dtype == np.intp
