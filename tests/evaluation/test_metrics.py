"""Metrics against their definitions, one user at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.evaluation.metrics import ABSENT, Metrics, Rankings, metrics, standard_error

ITEMS = 12


@st.composite
def rankings(draw: st.DrawFn) -> Rankings:
    users = draw(st.integers(1, 6))
    lists = [draw(st.lists(st.integers(0, ITEMS - 1), max_size=5, unique=True)) for _ in range(users)]
    table = [[*each, *[ABSENT] * (5 - len(each))] for each in lists]
    held_out = [draw(st.integers(0, ITEMS - 1)) for _ in range(users)]
    return Rankings(np.array(table), np.array(held_out))


def gains(ranked: list[int], relevant: int) -> tuple[float, float, float]:
    """Recall, DCG (its ideal is 1) and average precision of one user."""
    if relevant not in ranked:
        return 0.0, 0.0, 0.0
    place = ranked.index(relevant) + 1
    return 1.0, 1 / math.log2(place + 1), 1 / place


@given(rankings())
def test_they_are_the_means_over_the_users(case: Rankings) -> None:
    met_by = np.arange(1, ITEMS + 1)
    found = metrics(case, met_by, 20)
    each = [
        gains(ranked, relevant) for ranked, relevant in zip(case.items.tolist(), case.held_out.tolist(), strict=True)
    ]
    recall, ndcg, mean_precision = (sum(column) / len(each) for column in zip(*each, strict=True))
    shown = [item for ranked in case.items.tolist() for item in ranked if item != ABSENT]
    novelty = sum(-math.log2((item + 1) / 20) for item in shown) / len(shown) if shown else 0.0
    expected = Metrics(recall, ndcg, mean_precision, len(set(shown)) / ITEMS, novelty)
    assert vars(found) == pytest.approx(vars(expected))


def test_some_of_the_users_have_metrics_of_their_own() -> None:
    case = Rankings(np.array([[3, 4], [5, 6], [3, ABSENT]]), np.array([4, 0, 3]))
    assert case.places.tolist() == [2, 0, 1]
    assert case.of(np.array([True, False, True])).places.tolist() == [2, 1]


def test_the_error_of_a_difference_is_that_of_pairs() -> None:
    ours = Rankings(np.array([[1], [2], [3], [4]]), np.array([1, 2, 3, 0]))
    theirs = Rankings(np.array([[1], [0], [0], [4]]), np.array([1, 2, 3, 0]))
    assert standard_error(ours, theirs) == pytest.approx(math.sqrt(1 / 3) / 2)
    assert standard_error(ours, ours) == 0
