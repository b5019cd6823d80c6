from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.approximate import ApproximateRanking
from port_worker.serving.embedding import VectorRanking
from port_worker.serving.exact import ExactRanking
from port_worker.serving.ranking import Ranked
from port_worker.store.item_index import IndexArrays, IndexFacts

NOTHING = np.empty(0, dtype=np.intp)
LISTS, PER_LIST, D = 100, 80, 8
ITEMS = LISTS * PER_LIST
Answer = tuple[list[int], list[float]]


def _items() -> NDArray[np.float32]:
    """Row r belongs to list r % LISTS: what lies near is spread over all rows."""
    random = np.random.default_rng(1)
    centres = random.standard_normal((LISTS, D))
    vectors = centres[np.arange(ITEMS) % LISTS] + 0.35 * random.standard_normal((ITEMS, D))
    return vectors.astype(np.float32)


def _index(items: NDArray[np.float32]) -> IndexArrays:
    rows = np.argsort(np.arange(ITEMS) % LISTS, kind="stable").astype(np.int32)
    by_list = items[rows].reshape(LISTS, PER_LIST, D)
    return IndexArrays(
        index_vectors=by_list.reshape(ITEMS, D),
        index_rows=rows,
        index_offsets=np.arange(LISTS + 1) * PER_LIST,
        index_centres=by_list.mean(axis=1),
        index_longest=np.linalg.norm(by_list, axis=2).max(axis=1).astype(np.float32),
    )


VECTORS = _items()
INDEX = _index(VECTORS)
USERS = np.random.default_rng(2).standard_normal((70, D), dtype=np.float32)
EXACT = ExactRanking(VECTORS)


@pytest.fixture
def ranking() -> ApproximateRanking:
    return ApproximateRanking(VECTORS, INDEX, IndexFacts({10: 4, 100: 8}))


def answers(
    ranking: VectorRanking,
    n: int = 10,
    users: NDArray[np.float32] = USERS,
    banned: Sequence[NDArray[np.intp]] | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> list[Answer]:
    found = ranking.rank_vectors(users, banned or [NOTHING] * len(users), [allowed] * len(users), [n] * len(users))
    return [(one.rows.tolist(), one.scores.tolist()) for one in found if one is not None]


def recall(found: list[Answer], expected: list[Answer]) -> float:
    return float(np.mean([len({*a} & {*b}) / len(b) for (a, _), (b, _) in zip(found, expected, strict=True)]))


def test_most_of_the_best_are_found_in_few_lists(ranking: ApproximateRanking) -> None:
    assert 0.9 < recall(answers(ranking), answers(EXACT)) < 1  # less than all: the index was indeed used
    assert 0.9 < recall(answers(ranking, 100), answers(EXACT, 100)) < 1


def test_an_answer_is_the_best_of_the_lists_that_are_read(ranking: ApproximateRanking) -> None:
    for user, (rows, scores) in zip(USERS, answers(ranking), strict=True):
        near = np.argsort(-(INDEX.index_centres @ user), kind="stable")[:4]
        inside = np.isin(np.arange(ITEMS) % LISTS, near)
        assert [(rows, scores)] == answers(EXACT, users=user[None], allowed=inside)


def test_the_same_to_the_bit_in_whatever_company_and_again(ranking: ApproximateRanking) -> None:
    together = answers(ranking)
    assert [answers(ranking, users=user[None])[0] for user in USERS] == together
    assert answers(ranking, users=USERS[::-1]) == together[::-1]


def test_filters_never_leak_and_n_come_back_all_the_same(ranking: ApproximateRanking) -> None:
    best = [np.array(rows) for rows, _ in answers(EXACT, 60)]
    allowed = np.random.default_rng(3).random(ITEMS) < 0.5
    found = answers(ranking, banned=best, allowed=allowed)
    for (rows, _), had in zip(found, best, strict=True):
        assert len(rows) == len(set(rows)) == 10
        assert not set(rows) & set(had.tolist())
        assert allowed[rows].all()
    assert recall(found, answers(EXACT, banned=best, allowed=allowed)) > 0.9
    assert recall(answers(ranking), answers(EXACT)) > 0.9  # what was banned once is banned no longer


@pytest.mark.parametrize("kept", [0, 3, 10, 100])
def test_few_allowed_ones_are_all_found(ranking: ApproximateRanking, kept: int) -> None:
    allowed = np.zeros(ITEMS, dtype=np.bool_)
    allowed[np.random.default_rng(4).permutation(ITEMS)[:kept]] = True
    assert answers(ranking, allowed=allowed) == answers(EXACT, allowed=allowed)


@pytest.mark.parametrize("n", [101, 5_000, ITEMS, ITEMS + 5])
def test_more_than_it_was_measured_for_is_ranked_exactly(ranking: ApproximateRanking, n: int) -> None:
    assert answers(ranking, n, USERS[:4]) == answers(EXACT, n, USERS[:4])


def test_who_has_had_whole_lists_is_ranked_exactly(ranking: ApproximateRanking) -> None:
    near = np.argsort(-(INDEX.index_centres @ USERS[0]))[:60]
    had = np.flatnonzero(np.isin(np.arange(ITEMS) % LISTS, near))
    assert answers(ranking, users=USERS[:1], banned=[had]) == answers(EXACT, users=USERS[:1], banned=[had])


def test_lists_that_are_read_may_hold_nothing_allowed(ranking: ApproximateRanking) -> None:
    """Half of all items are allowed, but none that is near."""
    near = np.argsort(-(INDEX.index_centres @ USERS[0]))[: LISTS // 2]
    allowed = ~np.isin(np.arange(ITEMS) % LISTS, near)
    assert answers(ranking, users=USERS[:1], allowed=allowed) == answers(EXACT, users=USERS[:1], allowed=allowed)


def test_answers_keep_their_order_when_some_are_ranked_exactly(ranking: ApproximateRanking) -> None:
    ns = [10 if place % 3 else 300 for place in range(len(USERS))]
    found: list[Ranked] = [
        one for one in ranking.rank_vectors(USERS, [NOTHING] * 70, [None] * 70, ns) if one is not None
    ]
    assert [len(one.rows) for one in found] == ns
    alone = [answers(ranking, n, user[None])[0] for user, n in zip(USERS, ns, strict=True)]
    assert [(one.rows.tolist(), one.scores.tolist()) for one in found] == alone


def test_others_may_run_in_between(ranking: ApproximateRanking) -> None:
    expected, found, slices = answers(ranking), [], 0
    for one in ranking.rank_vectors(USERS, [NOTHING] * 70, [None] * 70, [10] * 70):
        if one is None:
            slices += 1
            assert answers(ranking, users=USERS[5:6], banned=[np.arange(50)]) == answers(
                ApproximateRanking(VECTORS, INDEX, IndexFacts({10: 4})), users=USERS[5:6], banned=[np.arange(50)]
            )
        else:
            found.append((one.rows.tolist(), one.scores.tolist()))
    assert found == expected
    assert slices == 70


def test_a_vector_that_is_not_finite_is_refused(ranking: ApproximateRanking) -> None:
    with pytest.raises(ValueError, match="expected finite numbers"):
        answers(ranking, users=np.full((1, D), np.nan, dtype=np.float32))
    assert answers(ranking, users=USERS[:0]) == []
