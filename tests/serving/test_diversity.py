"""Maximal marginal relevance against its definition, written in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving.diversity import pool_size, select


def by_definition(relevance: list[float], closeness: list[list[float]], n: int, diversity: float) -> list[int]:
    low, high = min(relevance), max(relevance)
    scaled = [(score - low) / (high - low) if high > low else 0.0 for score in relevance]
    chosen: list[int] = []
    while len(chosen) < min(n, len(relevance)):
        left = [item for item in range(len(relevance)) if item not in chosen]

        def worth(item: int) -> float:
            nearest = max((closeness[item][other] for other in chosen), default=0.0)
            return (1.0 - diversity) * scaled[item] - diversity * nearest

        chosen.append(max(left, key=lambda item: (worth(item), -item)))
    return chosen


@st.composite
def pools(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    size = draw(st.integers(1, 12))
    # Few distinct values, so that there are ties; eighths, so that sums are exact.
    relevance = sorted((draw(st.integers(-8, 8)) / 8 for _ in range(size)), reverse=True)
    closeness = np.eye(size, dtype=np.float32)
    for row in range(size):
        for column in range(row):
            closeness[row, column] = closeness[column, row] = draw(st.integers(-8, 8)) / 8
    return np.array(relevance, dtype=np.float32), closeness


@given(pools(), st.integers(1, 15), st.sampled_from([0.0, 0.25, 0.5, 0.875, 1.0]))
def test_it_chooses_by_definition(
    pool: tuple[NDArray[np.float32], NDArray[np.float32]], n: int, diversity: float
) -> None:
    relevance, closeness = pool
    expected = by_definition(relevance.astype(float).tolist(), closeness.astype(float).tolist(), n, diversity)
    assert select(relevance, closeness, n, diversity).tolist() == expected


def test_without_diversity_the_order_stays() -> None:
    relevance = np.array([3, 2, 2, 1], dtype=np.float32)
    assert select(relevance, np.ones((4, 4), dtype=np.float32), 3, 0.0).tolist() == [0, 1, 2]


def test_a_copy_of_the_best_comes_last() -> None:
    relevance = np.array([1.0, 0.99, 0.5, 0.0], dtype=np.float32)
    closeness = np.eye(4, dtype=np.float32)
    closeness[0, 1] = closeness[1, 0] = 1
    assert select(relevance, closeness, 4, 0.6).tolist() == [0, 2, 3, 1]


def test_the_scale_of_scores_does_not_matter() -> None:
    relevance = np.array([8, 6, 4, 1], dtype=np.float32)
    closeness = np.array([[1, 0.75, 0, 0], [0.75, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0.5, 1]], dtype=np.float32)
    expected = select(relevance, closeness, 4, 0.5).tolist()
    assert select(relevance * 1024 - 512, closeness, 4, 0.5).tolist() == expected
    assert expected != [0, 1, 2, 3]


def test_of_an_empty_pool_nothing_is_chosen() -> None:
    assert select(np.empty(0, dtype=np.float32), np.empty((0, 0), dtype=np.float32), 5, 0.5).size == 0


@pytest.mark.parametrize(("n", "size"), [(1, 50), (10, 50), (11, 55), (200, 1000), (500, 1000), (5000, 5000)])
def test_the_pool_is_larger_than_what_is_wanted_of_it(n: int, size: int) -> None:
    assert pool_size(n) == size
