from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving import screening
from port_worker.serving.exact import ExactRanking
from port_worker.serving.int8_product import LARGEST, Int8Product, model
from port_worker.serving.products import product
from port_worker.serving.quantised import GROUP, LENGTHS, Block, PlainBlock, QuantisedBlock, quantised
from port_worker.serving.ranking import Ranked
from port_worker.serving.screening import ScreenedRanking, exact_ranking
from port_worker.serving.steps import finish
from tests.serving.test_exact import NOTHING, Answer, answers, by_definition, cases, plain

Floats = NDArray[np.float32]


def screened(items: Floats) -> ScreenedRanking:
    ranking = ScreenedRanking(ExactRanking(items))
    finish(ranking.prepare())
    return ranking


def narrow(patch: pytest.MonkeyPatch, *, items: int, private: int, at_once: int = 1 << 21) -> None:
    """Blocks of few items, the first `private` numbers of them in 8 bits, so that small catalogues have all of it."""
    patch.setattr(screening, "_BLOCK_ITEMS", items)
    patch.setattr(screening, "_PRIVATE_BYTES", private)
    patch.setattr(screening, "_SCORES_AT_ONCE", at_once)


@given(
    case=cases(),
    block=st.sampled_from([32, 100, 1 << 17]),
    private=st.sampled_from([0, 3_000, 1 << 25]),
    wanted=st.sampled_from([1, 4]),
    reached=st.sampled_from([1, 2]),
)
def test_every_answer_is_what_sorting_everything_gives(
    case: tuple[Floats, Floats, list[NDArray[np.intp]], list[NDArray[np.bool_] | None], list[int]],
    block: int,
    private: int,
    wanted: int,
    reached: int,
) -> None:
    items, vectors, banned, allowed, ns = case
    assume(items.any())  # of no length are no bounds
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch, items=block, private=private)
        patch.setattr(screening, "_SHARE_WANTED", wanted)
        patch.setattr(screening, "_SHARE_REACHED", reached)
        found = answers(screened(items), vectors, ns, banned, allowed)
    assert found == [
        by_definition(items, vector, n, rows, mask)
        for vector, n, rows, mask in zip(vectors, ns, banned, allowed, strict=True)
    ]


@pytest.fixture(scope="module")
def world() -> tuple[Floats, Floats]:
    """Items of lengths from next to nothing to a hundred, as popularity makes them."""
    random = np.random.default_rng(5)
    lengths = np.float32(10) ** random.uniform(-6, 2, (20_001, 1)).astype(np.float32)
    return random.standard_normal((20_001, 24), dtype=np.float32) * lengths, random.standard_normal(
        (65, 24), dtype=np.float32
    )


World = tuple[Floats, Floats]


def blocks(items: Floats) -> list[Block]:
    longest = ExactRanking(items).longest
    buffer = np.empty(100 * (len(items) + 16 * GROUP), dtype=np.int32)
    return [finish(QuantisedBlock.made(items, longest, buffer, 1)), PlainBlock(items, longest, buffer)]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("d", [1, 3, 24])
@pytest.mark.parametrize("kind", [0, 1])
def test_no_score_is_farther_off_than_its_bound(world: World, scale: float, d: int, kind: int) -> None:
    items, vectors = world[0][:, :d] * np.float32(scale), world[1][:, :d].astype(np.float64)
    vectors = np.concatenate([vectors, items[np.argsort(-np.abs(items).max(axis=1))[:15]]])
    block, coded = blocks(items)[kind], quantised(vectors)
    assert coded is not None
    scores = block.products(coded) * np.tile(block.scales.astype(np.float64), GROUP)
    off = np.abs(scores[:, : len(items)] - coded.scaled @ items.T.astype(np.float64))
    bounds = np.multiply.outer(coded.lengths.astype(np.float64), np.tile(block.rests(coded.rest), GROUP))
    assert (off <= bounds[:, : len(items)]).all()
    # A bound that anything keeps would tell nothing: of long items it is a few hundredths of the lengths.
    lengths = np.sqrt((items.astype(np.float64) ** 2).sum(axis=1))
    longest = lengths > 0.5 * np.max(lengths)
    assert (bounds[:, : len(items)][:, longest] <= 0.05 * coded.lengths[:, None] * lengths[longest]).all()


def test_nobody_is_an_answer_too(world: World) -> None:
    for ranking in (screened(world[0]), ScreenedRanking(ExactRanking(world[0]))):
        assert answers(ranking, world[1][:0], []) == []


@pytest.mark.parametrize("n", [1, 10, 40, 41, 100, 150, 160, 1_000, 20_001, 10**9])
def test_any_n_up_to_the_catalogue_and_past_it(world: World, n: int) -> None:
    items, vectors = world
    found = answers(screened(items), vectors[:3], [n] * 3)
    assert found == [by_definition(items, vector, n, NOTHING, None) for vector in vectors[:3]]


@pytest.mark.parametrize("private", [0, 100_000, 1 << 25])
def test_the_same_answer_to_the_bit_in_whatever_company(
    world: World, private: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, vectors = world
    narrow(monkeypatch, items=3_200, private=private, at_once=100_000)
    ranking = screened(items)
    alone = [answers(ranking, vector[None], [10])[0] for vector in vectors]
    assert alone == answers(ExactRanking(items), vectors, [10] * len(vectors))
    assert answers(ranking, vectors, [10] * len(vectors)) == alone
    assert answers(ranking, vectors[3:6], [10, 500, 3])[0] == alone[3]
    assert answers(ranking, vectors[::-1], [10] * len(vectors)) == alone[::-1]


def counted(ranking: ScreenedRanking, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many users each call of the exact ranking has."""
    asked: list[int] = []
    exact = ranking._exact.rank_vectors

    def told(
        vectors: Floats, banned: Sequence[NDArray[np.intp]], allowed: Sequence[None], ns: Sequence[int]
    ) -> Iterator[Ranked | None]:
        asked.append(len(vectors))
        return exact(vectors, banned, allowed, ns)

    monkeypatch.setattr(ranking._exact, "rank_vectors", told)
    return asked


def test_few_items_are_scored_twice_and_nobody_is_ranked_in_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.random.default_rng(1).standard_normal((20_001, 24), dtype=np.float32)
    ranking = screened(items)
    asked = counted(ranking, monkeypatch)
    rescored: list[int] = []

    def told(items: Floats, rows: NDArray[np.intp], vectors: NDArray[np.float64]) -> Floats:
        rescored.append(len(rows))
        return product(items, rows, vectors)

    monkeypatch.setattr(screening, "product", told)
    for vector in world[1]:
        answers(ranking, vector[None], [10])
    answers(ranking, world[1], [10] * 65)
    assert asked == []
    assert max(rescored) < 100


def test_whom_bounds_tell_nothing_is_ranked_in_full_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    items = random.standard_normal((4_000, 16), dtype=np.float32)
    items[:, 0] = 1
    alike = np.zeros((1, 16), dtype=np.float32)
    alike[0, 0] = 3  # for whom all items are one
    vectors = np.concatenate([random.standard_normal((4, 16), dtype=np.float32), alike])
    for some in (vectors, alike):
        ranking = screened(items)
        asked = counted(ranking, monkeypatch)
        assert answers(ranking, some, [3] * len(some))[-1] == ([0, 1, 2], [3.0] * 3)
        assert asked == [1]


def test_who_has_no_taste_gets_the_first_items(world: World) -> None:
    ranking = screened(world[0])
    for users in (1, 3):
        found = answers(ranking, np.zeros((users, 24), dtype=np.float32), [7] * users, banned=[np.arange(5)] * users)
        assert [rows for rows, _ in found] == [list(range(5, 12))] * users


def test_what_must_not_come_back_never_does_though_it_scores_best(world: World) -> None:
    items, vectors = world
    ranking = screened(items)
    best = [np.array(rows) for rows, _ in answers(ranking, vectors, [40] * len(vectors))]
    found = answers(ranking, vectors, [40] * len(vectors), banned=best)
    for (rows, _), had in zip(found, best, strict=True):
        assert len(rows) == 40
        assert not set(rows) & set(had.tolist())
    few = np.zeros(len(items), dtype=np.bool_)
    few[best[0]] = True
    for users in (1, 65):
        for n in (40, 100):  # by bounds, and in full
            for rows, _ in answers(ranking, vectors[:users], [n] * users, allowed=[few] * users):
                assert set(rows) == set(best[0].tolist())


@pytest.mark.parametrize("private", [0, 1 << 25])
@pytest.mark.parametrize("users", [1, 3])
def test_masked_items_next_to_nothing_are_below_scores_under_zero(
    private: int, users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, items=1 << 17, private=private)
    random = np.random.default_rng(2)
    items = -random.uniform(1, 2, (4_096, 8)).astype(np.float32)
    tiny = np.arange(len(items)) % 128 < 16  # whole groups, since item i is in group i % 128
    items[tiny] *= np.float32(1e-9)
    vectors = random.uniform(1, 2, (users, 8)).astype(np.float32)
    banned = [np.flatnonzero(tiny)] * users
    found = answers(screened(items), vectors, [5] * users, banned)
    assert found == [by_definition(items, vector, 5, banned[0], None) for vector in vectors]


def test_all_masked_is_nothing(world: World) -> None:
    items, vectors = world
    nobody = np.zeros(len(items), dtype=np.bool_)
    assert answers(screened(items), vectors[:2], [5, 5], allowed=[nobody, None])[0] == ([], [])
    assert answers(screened(items), vectors[:1], [5], banned=[np.arange(len(items))]) == [([], [])]


def test_work_is_cut_into_slices_and_others_may_rank_in_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items, vectors = world
    narrow(monkeypatch, items=3_200, private=100_000, at_once=1 << 16)
    ranking = screened(items)
    expected = answers(ranking, vectors, [10] * 65)
    found: list[Answer] = []
    slices = 0
    for one in ranking.rank_vectors(vectors, [NOTHING] * 65, [None] * 65, [10] * 65):
        if one is None:
            slices += 1
            assert answers(ranking, vectors[7:8], [10]) == expected[7:8]
        else:
            found.append(plain(one))
    assert found == expected
    assert slices > 10


def test_it_answers_before_it_is_prepared_and_while_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items, vectors = world
    ranking = ScreenedRanking(ExactRanking(items))
    expected = answers(ranking, vectors[:1], [10])
    asked = counted(ranking, monkeypatch)
    slices = 0
    for _slice in ranking.prepare():
        slices += 1
        assert answers(ranking, vectors[:1], [10]) == expected
    assert len(asked) == slices > 2 * GROUP
    assert answers(ranking, vectors[:1], [10]) == expected
    assert len(asked) == slices


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused(world: World, bad: float) -> None:
    vectors = world[1][:2].copy()
    vectors[1, 3] = bad
    with pytest.raises(ValueError, match="expected finite numbers"):
        answers(screened(world[0]), vectors, [1, 1])


def test_small_catalogues_and_lengths_that_float32_cannot_hold_are_not_screened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screening, "LEAST_NUMBERS", 1_000)
    items = np.random.default_rng(1).standard_normal((500, 2), dtype=np.float32)
    assert isinstance(exact_ranking(items), ScreenedRanking)
    assert isinstance(exact_ranking(items[:499]), ExactRanking)
    for scale in (LENGTHS[0] / 10, LENGTHS[1]):
        assert isinstance(exact_ranking(items * np.float32(scale)), ExactRanking)
    monkeypatch.setattr(screening, "available", lambda: False)
    assert isinstance(exact_ranking(items), ExactRanking)


@pytest.mark.parametrize("d", [1, 2, 3, 16, 63, 64, 200])
@pytest.mark.parametrize("columns", [1, 32, 77, 1_000])
@pytest.mark.parametrize("users", [1, 2, 17])
def test_products_of_the_largest_codes_are_exact(d: int, columns: int, users: int) -> None:
    """Sixteen bits hold no two products of larger ones, and AVX2 adds in sixteen bits."""
    random = np.random.default_rng(d)
    codes = random.choice(np.array([-LARGEST, LARGEST, 1], dtype=np.int8), (d, columns))
    codes[:, ::3] = LARGEST
    vectors = np.concatenate(
        [np.full((1, d), LARGEST), np.full((1, d), -LARGEST), random.choice([-90, 7, 90], (15, d))]
    )
    product = Int8Product(model(codes), codes.shape, np.empty(users * columns, dtype=np.int32), 1)
    for some in (vectors[:users], vectors[-users:]):
        assert np.array_equal(product(some), some @ codes.astype(np.int64))
