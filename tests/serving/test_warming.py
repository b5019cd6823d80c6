"""The first answers of a model, which nobody waits for."""

from __future__ import annotations

import pytest

from port_worker.serving.recommender import Recommender
from port_worker.serving.steps import finish
from port_worker.serving.warming import warm
from tests.models import catalogue_arrays
from tests.serving.fakes import TableScorer, recommender_of


def model(users: int, pauses: int = 0) -> tuple[Recommender, TableScorer]:
    """Users 100, 101, ..., each with a row of the table."""
    scorer = TableScorer({row: [1, 2] for row in range(users)}, pauses=pauses)
    return recommender_of(catalogue_arrays(range(100, 100 + users), ["a", "b"]), scorer), scorer


@pytest.mark.parametrize(("users", "together"), [(1, 1), (2, 2), (64, 64), (1000, 64)])
def test_users_from_all_over_are_answered_together_then_a_few_alone(users: int, together: int) -> None:
    served, scorer = model(users)
    finish(warm(served))
    rows = [subject.row for subject in scorer.subjects]
    assert len(set(rows)) == together
    assert (rows[0], rows[together - 1]) == (0, users - 1)
    assert rows[together:] == rows[: min(3, together)]


def test_others_may_run_in_between() -> None:
    served, _ = model(2, pauses=5)
    assert sum(1 for _ in warm(served)) >= (2 + 1 + 1) * 5
