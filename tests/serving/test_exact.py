from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving import exact, products
from port_worker.serving.embedding import VectorRanking
from port_worker.serving.exact import ExactRanking
from port_worker.serving.ranking import Ranked
from tests.serving.reference import ranked

NOTHING = np.empty(0, dtype=np.intp)
Answer = tuple[list[int], list[float]]


def plain(one: Ranked) -> Answer:
    return one.rows.tolist(), one.scores.tolist()


def answers(
    ranking: VectorRanking,
    vectors: NDArray[np.float32],
    ns: Sequence[int],
    banned: Sequence[NDArray[np.intp]] | None = None,
    allowed: Sequence[NDArray[np.bool_] | None] | None = None,
) -> list[Answer]:
    found = ranking.rank_vectors(vectors, banned or [NOTHING] * len(vectors), allowed or [None] * len(vectors), ns)
    return [plain(one) for one in found if one is not None]


def by_definition(
    items: NDArray[np.float32], vector: NDArray[np.float32], n: int, banned: NDArray[np.intp], allowed: object
) -> Answer:
    """Summed exactly enough in float64, rounded once, sorted by Python."""
    scores = (items.astype(np.float64) * vector.astype(np.float64)).sum(axis=1).astype(np.float32)
    scores[banned] = -np.inf
    if allowed is not None:
        scores[~np.asarray(allowed)] = -np.inf
    rows = ranked(scores.tolist(), n)
    return rows, scores[rows].tolist()


def narrow(
    monkeypatch: pytest.MonkeyPatch, *, scores: int = 256, kept: int = 1 << 18, products_at_once: int = 64
) -> None:
    """Blocks of a few rows, so that small catalogues have many of them."""
    monkeypatch.setattr(exact, "_SCORES_AT_ONCE", scores)
    monkeypatch.setattr(exact, "_FACTORS_AT_ONCE", scores)
    monkeypatch.setattr(exact, "_KEPT_AT_MOST", kept)
    monkeypatch.setattr(products, "_AT_ONCE", products_at_once)


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[NDArray[np.intp]], list[object], list[int]]:
    """Whole numbers make ties everywhere; the others make scores that differ in their last bits alone."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    items, users, d = draw(st.integers(1, 400)), draw(st.integers(1, 70)), draw(st.sampled_from([1, 2, 7, 16, 64, 70]))
    if draw(st.booleans()):
        vectors = [random.integers(-2, 3, (count, d)).astype(np.float32) for count in (items, users)]
    else:
        base = random.standard_normal((3, d))
        vectors = [
            (base[random.integers(0, 3, count)] + 1e-7 * random.standard_normal((count, d))).astype(np.float32)
            for count in (items, users)
        ]
    share = draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
    banned = [np.flatnonzero(random.random(items) < share) for _ in range(users)]
    masks = [None, random.random(items) < 0.5, random.random(items) < 0.02, np.zeros(items, dtype=np.bool_)]
    allowed = [masks[place] for place in random.integers(0, draw(st.integers(1, 4)), users)]
    ns = random.integers(1, draw(st.sampled_from([2, 12, 500])), users).tolist()
    return vectors[0], vectors[1], banned, list(allowed), ns


@given(case=cases(), scores=st.sampled_from([64, 1024, 1 << 20]), kept=st.sampled_from([0, 100, 1 << 18]))
def test_every_answer_is_what_sorting_everything_gives(
    case: tuple[
        NDArray[np.float32], NDArray[np.float32], list[NDArray[np.intp]], list[NDArray[np.bool_] | None], list[int]
    ],
    scores: int,
    kept: int,
) -> None:
    items, vectors, banned, allowed, ns = case
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch, scores=scores, kept=kept)
        ranking = ExactRanking(items)
        found = answers(ranking, vectors, ns, banned, allowed)
    assert found == [
        by_definition(items, vector, n, rows, mask)
        for vector, n, rows, mask in zip(vectors, ns, banned, allowed, strict=True)
    ]


@pytest.mark.parametrize("users", [1, 3])
@pytest.mark.parametrize("kept", [0, 1 << 18])
def test_a_vector_of_zeros_has_the_first_items_whatever_is_weeded_out(
    users: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, scores=64, kept=kept)
    items = np.arange(-300, 300, dtype=np.float32).reshape(200, 3)
    ranking = ExactRanking(items)
    found = answers(ranking, np.zeros((users, 3), np.float32), [2] * users)
    assert found == [([0, 1], [0.0, 0.0])] * users


@pytest.fixture(scope="module")
def world() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(5)
    return random.standard_normal((20_001, 24), dtype=np.float32), random.standard_normal((65, 24), dtype=np.float32)


World = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.mark.parametrize("n", [1, 10, 100, 1_000, 20_000, 20_001, 10**9])
def test_any_n_up_to_the_catalogue_and_past_it(world: World, n: int) -> None:
    items, vectors = world
    found = answers(ExactRanking(items), vectors[:3], [n] * 3)
    assert found == [by_definition(items, vector, n, NOTHING, None) for vector in vectors[:3]]


def test_the_same_answer_to_the_bit_in_whatever_company(world: World) -> None:
    items, vectors = world
    ranking = ExactRanking(items)
    alone = [answers(ranking, vector[None], [10])[0] for vector in vectors]
    assert answers(ranking, vectors, [10] * len(vectors)) == alone
    assert answers(ranking, vectors[3:6], [10, 500, 3])[0] == alone[3]
    assert answers(ranking, vectors[::-1], [10] * len(vectors)) == alone[::-1]


def test_equal_items_come_in_their_order_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.tile(np.random.default_rng(1).standard_normal((1, 16), dtype=np.float32), (3_000, 1))
    vectors = items[:3] * np.array([[1.0], [-1.0], [0.0]], dtype=np.float32)
    for kept in (50, 1 << 18):
        narrow(monkeypatch, scores=512, kept=kept)
        ranking = ExactRanking(items)
        for part in (vectors, vectors[:1]):
            assert [rows for rows, _ in answers(ranking, part, [7] * len(part))] == [list(range(7))] * len(part)


def test_who_has_no_taste_gets_the_first_items_and_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.random.default_rng(1).standard_normal((5_000, 16), dtype=np.float32)
    narrow(monkeypatch, scores=512)
    looked_at: list[int] = []

    def counted(
        items: NDArray[np.float32], rows: NDArray[np.intp], vectors: NDArray[np.float64], users: NDArray[np.intp]
    ) -> Iterator[NDArray[np.float32] | None]:
        looked_at.append(len(rows))
        return products.products(items, rows, vectors, users)

    monkeypatch.setattr(exact, "products", counted)
    for users in (1, 3):
        found = answers(
            ExactRanking(items), np.zeros((users, 16), dtype=np.float32), [7] * users, banned=[np.arange(5)] * users
        )
        assert [rows for rows, _ in found] == [list(range(5, 12))] * users
    assert max(looked_at) <= 1_024


def test_what_must_not_come_back_never_does_though_it_scores_best(world: World) -> None:
    items, vectors = world
    ranking = ExactRanking(items)
    best = [np.array(rows) for rows, _ in answers(ranking, vectors, [40] * len(vectors))]
    found = answers(ranking, vectors, [40] * len(vectors), banned=best)
    assert all(
        len(rows) == 40 and not set(rows) & set(had.tolist()) for (rows, _), had in zip(found, best, strict=True)
    )
    hidden = np.ones(len(items), dtype=np.bool_)
    hidden[np.concatenate(best)] = False
    assert all(
        hidden[rows].all() and len(rows) == 40
        for rows, _ in answers(ranking, vectors, [40] * 65, allowed=[hidden] * 65)
    )


def test_all_masked_is_nothing(world: World) -> None:
    items, vectors = world
    nobody = np.zeros(len(items), dtype=np.bool_)
    assert answers(ExactRanking(items), vectors[:2], [5, 5], allowed=[nobody, None])[0] == ([], [])
    assert answers(ExactRanking(items), vectors[:1], [5], banned=[np.arange(len(items))]) == [([], [])]


def test_work_is_cut_into_slices_and_others_may_rank_in_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items, vectors = world
    narrow(monkeypatch, scores=1 << 16, products_at_once=1 << 10)
    ranking = ExactRanking(items)
    expected = answers(ranking, vectors, [10] * 65)
    found, slices = [], 0
    for one in ranking.rank_vectors(vectors, [NOTHING] * 65, [None] * 65, [10] * 65):
        if one is None:
            slices += 1
            assert answers(ranking, vectors[7:8], [10]) == expected[7:8]
        else:
            found.append(plain(one))
    assert found == expected
    assert slices > 10


def test_read_only_vectors_are_enough_and_nobody_is_an_answer_too(world: World) -> None:
    items = world[0].copy()
    items.flags.writeable = False
    ranking = ExactRanking(items)
    assert answers(ranking, world[1][:0], []) == []
    assert len(answers(ranking, world[1][:2], [3, 3])) == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused(world: World, bad: float) -> None:
    vectors = world[1][:2].copy()
    vectors[1, 3] = bad
    with pytest.raises(ValueError, match="expected finite numbers"):
        answers(ExactRanking(world[0]), vectors, [1, 1])
