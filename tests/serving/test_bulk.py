"""Many users in one call get what each would get alone."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.bulk import HURRIED_SECONDS, Pace, recommend_many
from port_worker.serving.ids import plain_ids
from port_worker.serving.ranking import OptionError
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import SOURCES, Filter, Id, ManyRecommendations, ManyRequest, RecommendRequest
from port_worker.serving.steps import finish
from port_worker.store.embedding import EmbeddingArrays
from tests.models import Told, catalogue_arrays, serve_embedding
from tests.serving.asking import recommend
from tests.serving.fakes import NONE, TableScorer, recommender_of
from tests.serving.reference import KINDS, World
from tests.serving.telling import Telling
from tests.worker.clock import Clock

Row = tuple[list[tuple[Id, float]], str]


def expanded(found: ManyRecommendations) -> list[Row]:
    """The items of each user, and their source; what is left of a row must be empty."""
    ids = plain_ids(found.ids)
    assert found.items.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert found.sources.dtype == np.uint8
    assert found.items.shape == found.scores.shape == (len(found.sources), found.items.shape[1])
    assert len(set(ids)) == len(ids)
    assert set(range(len(ids))) == set(found.items.ravel().tolist()) - {-1}  # each item that is named is used
    rows = []
    for places, scores, source in zip(found.items.tolist(), found.scores.tolist(), found.sources.tolist(), strict=True):
        count = sum(place >= 0 for place in places)
        assert places[count:] == [-1] * (len(places) - count)
        assert scores[count:] == [0.0] * (len(places) - count)
        rows.append(
            ([(ids[place], score) for place, score in zip(places[:count], scores, strict=False)], SOURCES[source])
        )
    return rows


def one_by_one(served: Recommender, request: ManyRequest) -> list[Row]:
    users: Sequence[Id] = plain_ids(request.users) if isinstance(request.users, np.ndarray) else request.users
    alone = [RecommendRequest(user, request.n, request.filter, request.filter_consumed) for user in users]
    answers = [recommend(served, [each])[0] for each in alone]
    return [(answer.items, answer.source) for answer in answers]


def many(served: Recommender, request: ManyRequest, pace: Pace | None = None) -> list[Row]:
    return expanded(finish(recommend_many(served, request, pace or Pace(clock=Clock()))))


@st.composite
def calls(draw: st.DrawFn) -> tuple[World, ManyRequest]:
    users: list[Id] = sorted(draw(st.sets(st.integers(-9, 9), min_size=1, max_size=6)), key=int)
    items: list[Id] = sorted(draw(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12)), key=str)
    vector = st.lists(st.integers(-2, 2), min_size=2, max_size=2)
    some = st.lists(st.sampled_from(items), unique=True)
    world = World(
        {user: draw(vector) for user in users},
        {item: draw(vector) for item in items},
        {user: draw(some) for user in users},
        {item: draw(st.integers(0, 3)) for item in items},
        {item: draw(st.sampled_from(KINDS)) for item in draw(some)},
        tuple(draw(some)),
    )
    who = st.lists(st.sampled_from(users) | st.integers(-99, 99), min_size=1, max_size=12)
    asked = draw(who.map(tuple) | who.map(lambda ids: np.array(ids, dtype=np.int64)))
    kinds = st.none() | st.lists(st.sampled_from(KINDS), min_size=1, unique=True).map(tuple)
    wanted = Filter(tuple(draw(st.lists(st.sampled_from(items) | st.just("z"), max_size=4))), draw(kinds))
    return world, ManyRequest(asked, draw(st.integers(1, 15)), wanted, draw(st.booleans()))


@given(calls(), st.integers(1, 8))
def test_each_user_gets_what_they_would_get_alone(call: tuple[World, ManyRequest], most: int) -> None:
    world, request = call
    with tempfile.TemporaryDirectory() as folder:
        served = world.serve(Path(folder))
    assert many(served, request, Pace(most=most, clock=Clock())) == one_by_one(served, request)


def test_every_source_is_named(tmp_path: Path) -> None:
    vectors = EmbeddingArrays(np.array([[1, 0]], dtype=np.float32), np.array([[1, 0], [2, 1]], dtype=np.float32))
    live = Telling({"fed": [Told(10)]})
    catalogue = catalogue_arrays(["known"], [10, 20], popularity=[1, 2])
    served = serve_embedding(tmp_path, catalogue, vectors, live=live).recommender
    request = ManyRequest(("known", "fed", "stranger", "known"), 3)
    found = finish(recommend_many(served, request, Pace(clock=Clock())))
    assert [SOURCES[source] for source in found.sources] == ["model", "fold_in", "popular", "model"]
    assert found.ids.dtype == np.int64
    assert expanded(found) == one_by_one(served, request)


def test_where_nothing_is_left_no_id_is_named() -> None:
    served = recommender_of(catalogue_arrays([1], ["a", "b"]), TableScorer({0: [1, 2]}))
    found = finish(recommend_many(served, ManyRequest((1, 9), 2, Filter(exclude=("a", "b"))), Pace(clock=Clock())))
    assert len(found.ids) == 0
    assert found.items.tolist() == [[-1, -1], [-1, -1]]
    assert found.scores.tolist() == [[0, 0], [0, 0]]


def test_ids_are_a_column_as_the_model_has_them() -> None:
    served = recommender_of(catalogue_arrays([1], ["a", "bcd"]), TableScorer({0: [1, 2]}))
    found = finish(recommend_many(served, ManyRequest((1,), 1), Pace(clock=Clock())))
    assert found.ids.tolist() == [b"bcd"]


def test_the_items_that_popularity_adds_are_there_too() -> None:
    served = recommender_of(catalogue_arrays([1], ["a", "b"], popularity=[1, 2]), TableScorer({0: [NONE, -1]}))
    assert many(served, ManyRequest((1,), 3)) == [([("b", -1.0), ("a", 0.0)], "model")]


def test_a_kind_that_nobody_knows_is_refused_at_the_first_step() -> None:
    served = recommender_of(catalogue_arrays([1], ["a"]), TableScorer({0: [1]}), kinds=("map",))
    with pytest.raises(OptionError, match=r"kinds\[0\]"):
        next(recommend_many(served, ManyRequest((1,), 1, Filter(kinds=("dance",))), Pace(clock=Clock())))


USERS = tuple(range(8))


def slow(live: Telling) -> tuple[Recommender, TableScorer]:
    """a is the best for even users, and b for odd ones."""
    scorer = TableScorer({row: [2 - row % 2, 1 + row % 2, 0] for row in USERS}, pauses=1)
    return recommender_of(catalogue_arrays(USERS, ["a", "b", "c"]), scorer, live=live), scorer


@pytest.mark.parametrize("step", range(14))
def test_items_that_are_hidden_meanwhile_are_in_no_answer(step: int) -> None:
    live = Telling()
    steps = recommend_many(slow(live)[0], ManyRequest(USERS, 1), Pace(most=2, clock=Clock()))
    for _ in range(step):
        next(steps)
    live.hide("a")
    assert expanded(finish(steps)) == [([("b", 2.0 if user % 2 else 1.0)], "model") for user in USERS]


def test_only_who_got_what_was_hidden_is_ranked_again() -> None:
    live = Telling()
    served, scorer = slow(live)
    steps = recommend_many(served, ManyRequest(USERS, 1), Pace(most=1, clock=Clock()))
    while len(scorer.subjects) < len(USERS):
        next(steps)
    next(steps)  # the last has been answered
    live.hide("a")
    next(steps)
    live.hide("b")  # while others are ranked again
    assert expanded(finish(steps)) == [([("c", 0.0)], "model") for _ in USERS]
    assert [subject.row for subject in scorer.subjects[len(USERS) :]] == [0, 0, 2, 4, 6, 1, 3, 5, 7]


class TestPace:
    """A slice is to take a tenth of a second."""

    def run(self, pace: Pace, clock: Clock, users: int, seconds: float, waited: float = 0.0) -> int:
        """A slice of `users` that takes so long in two parts, between which others run."""
        pace.begin()
        clock.now += seconds / 2
        pace.pause()
        clock.now += waited
        pace.resume()
        clock.now += seconds / 2
        pace.end(users)
        return pace.size

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock(now=0.0)

    @pytest.fixture
    def pace(self, clock: Clock) -> Pace:
        return Pace(target_seconds=0.125, most=40, clock=clock)

    def test_it_begins_with_one_and_grows_twofold_at_most(self, pace: Pace, clock: Clock) -> None:
        sizes = [pace.size, *(self.run(pace, clock, pace.size, 2**-20) for _ in range(7))]
        assert sizes == [1, 2, 4, 8, 16, 32, 40, 40]

    def test_what_takes_no_time_that_the_clock_sees_grows_alike(self, pace: Pace, clock: Clock) -> None:
        assert [self.run(pace, clock, pace.size, 0.0) for _ in range(2)] == [2, 4]

    def test_it_settles_at_what_fits(self, pace: Pace, clock: Clock) -> None:
        """A user takes a 64th of a second: eight of them take an eighth."""
        assert [self.run(pace, clock, pace.size, pace.size / 64) for _ in range(5)] == [2, 4, 8, 8, 8]

    def test_it_shrinks_at_once_but_never_below_one(self, pace: Pace, clock: Clock) -> None:
        for _ in range(5):
            self.run(pace, clock, pace.size, 2**-20)
        assert [self.run(pace, clock, pace.size, seconds) for seconds in (0.5, 0.5, 1.0)] == [8, 2, 1]

    def test_slices_are_a_tenth_while_urgent_calls_come(self, pace: Pace, clock: Clock) -> None:
        assert [self.run(pace, clock, pace.size, 0.0) for _ in range(6)][-1] == 40
        pace.hurry()
        assert pace.size == 4
        pace.hurry()  # which makes it no tenth of a tenth
        assert pace.size == 4
        assert self.run(pace, clock, 4, 4 * 0.00625) == 2  # a tenth of 0.125 s has room for two such
        clock.now += HURRIED_SECONDS
        assert self.run(pace, clock, 2, 2 * 0.00625) == 4
        assert self.run(pace, clock, 4, 4 * 0.00625) == 8

    def test_others_time_is_not_counted(self, pace: Pace, clock: Clock) -> None:
        assert [self.run(pace, clock, pace.size, pace.size / 64, waited=100.0) for _ in range(4)] == [2, 4, 8, 8]

    def test_a_slice_that_was_not_full_says_what_its_users_took(self, pace: Pace, clock: Clock) -> None:
        for _ in range(5):
            self.run(pace, clock, pace.size, 2**-20)
        assert pace.size == 32
        assert self.run(pace, clock, 2, 2 / 64) == 8

    def test_a_slice_that_was_given_up_leaves_nothing_behind(self, pace: Pace, clock: Clock) -> None:
        pace.begin()
        clock.now += 50
        pace.pause()
        assert self.run(pace, clock, 1, 2**-20) == 2


def test_slices_are_as_large_as_the_pace_says() -> None:
    scorer = TableScorer({row: [1.0] for row in range(30)})
    served = recommender_of(catalogue_arrays(range(30), ["a"]), scorer)
    clock = Clock()
    sizes, before = [], 0
    for _ in recommend_many(served, ManyRequest(tuple(range(30)), 1), Pace(most=8, clock=clock)):
        if len(scorer.subjects) > before:
            sizes.append(len(scorer.subjects) - before)
            before = len(scorer.subjects)
    assert sizes == [1, 2, 4, 8, 8, 7]
