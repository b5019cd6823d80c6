"""Likeness of items against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.explanation import by_likeness
from port_worker.serving.similar import ItemSimilarity


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    """The fourth is all zeros but for its bias, the last column."""
    found = np.random.default_rng(3).normal(size=(9, 5)).astype(np.float32)
    found[3, :4] = 0
    return found


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    lengths = float(np.linalg.norm(one.astype(np.float64)) * np.linalg.norm(other.astype(np.float64)))
    return float(one.astype(np.float64) @ other.astype(np.float64)) / lengths if lengths else 0.0


@pytest.mark.parametrize("row", [0, 3, 8])
def test_cosines_leave_the_biases_out(vectors: NDArray[np.float32], row: int) -> None:
    expected = [cosine(vectors[row, :4], other[:4]) for other in vectors]
    found = ItemSimilarity(vectors, bias_columns=1).similarity(row, "cosine")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_biases_all_columns_count(vectors: NDArray[np.float32]) -> None:
    expected = [cosine(vectors[2], other) for other in vectors]
    np.testing.assert_allclose(ItemSimilarity(vectors, 0).similarity(2, "cosine"), expected, atol=1e-6)


def test_products_take_the_biases_in(vectors: NDArray[np.float32]) -> None:
    found = ItemSimilarity(vectors, bias_columns=2).similarity(3, "dot")
    np.testing.assert_allclose(found, [sum(vectors[3] * other) for other in vectors], rtol=1e-5, atol=1e-6)


def test_answers_are_the_caller_s_to_overwrite(vectors: NDArray[np.float32]) -> None:
    similarity = ItemSimilarity(vectors, bias_columns=1)
    for metric in ("cosine", "dot"):
        first = similarity.similarity(1, metric)
        kept = first.copy()
        first[:] = -np.inf
        assert similarity.similarity(1, metric).tolist() == kept.tolist()


def test_closeness_is_the_cosine_of_each_two(vectors: NDArray[np.float32]) -> None:
    rows = np.array([7, 3, 0])
    expected = [[cosine(vectors[one, :4], vectors[other, :4]) for other in rows] for one in rows]
    np.testing.assert_allclose(ItemSimilarity(vectors, 1).closeness(rows), expected, atol=1e-6)


def test_equal_vectors_are_no_closer_than_1() -> None:
    vectors = np.tile(np.random.default_rng(1).normal(size=(1, 7)), (50, 1)).astype(np.float32)
    similarity = ItemSimilarity(vectors, 0)
    assert similarity.similarity(0, "cosine").max() <= 1
    assert similarity.closeness(np.arange(50)).max() <= 1


def test_an_explanation_by_likeness_is_cosine_times_weight(vectors: NDArray[np.float32]) -> None:
    items, weights = np.array([4, 0, 3], dtype=np.int32), np.array([1, 3, 2], dtype=np.float32)
    expected = [cosine(vectors[item, :4], vectors[6, :4]) * weight for item, weight in zip(items, weights, strict=True)]
    np.testing.assert_allclose(by_likeness(ItemSimilarity(vectors, 1), items, weights, 6), expected, atol=1e-6)
