from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.topk import top_k
from tests.serving.reference import ranked

INF = float("inf")
SCORE = st.one_of(
    st.integers(-2, 2).map(float),  # ties everywhere
    st.just(-INF),
    st.floats(width=32, allow_nan=False),
)


@given(st.lists(SCORE, max_size=300), st.integers(0, 320))
def test_it_is_what_sorting_everything_gives(scores: list[float], k: int) -> None:
    found = top_k(np.array(scores, dtype=np.float32), k)
    assert found.tolist() == ranked(scores, k)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 4_000, 4_096, 10_001])
@pytest.mark.parametrize("distinct", [1, 3, 50, 10**6])
def test_large_rows_too_at_every_kind_of_k(size: int, distinct: int) -> None:
    random = np.random.default_rng(size)
    scores = (random.integers(0, distinct, size) - distinct // 2).astype(np.float32)
    scores[random.random(size) < 0.1] = -np.inf
    for k in (1, 10, 63, 64, 65, size // 2, size - 1, size, size + 1):
        assert top_k(scores, k).tolist() == ranked(scores.tolist(), k)


def test_the_last_positions_count_though_they_fill_no_block() -> None:
    scores = np.zeros(10_001, dtype=np.float32)
    scores[-1] = 1
    assert top_k(scores, 3).tolist() == [10_000, 0, 1]


def test_masked_everywhere_is_nothing() -> None:
    assert top_k(np.full(5_000, -np.inf, dtype=np.float32), 10).tolist() == []


def test_the_scores_are_left_as_they_were() -> None:
    scores = np.arange(1_000, dtype=np.float32)
    top_k(scores, 10)
    assert scores.tolist() == list(range(1_000))
