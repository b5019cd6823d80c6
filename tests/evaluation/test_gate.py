"""What is good enough, at the edges of the policy."""

from __future__ import annotations

import pytest

from port_worker.evaluation.gate import Comparison, Lead, Verdict, judge, not_judged
from port_worker.evaluation.policy import GatePolicy

POLICY = GatePolicy(tolerance=0.1, minimum_users=100)
LEAD = Lead(500, candidate=0.3, popularity=0.2, standard_error=0.01)


@pytest.mark.parametrize(
    ("beside", "passed", "said"),
    [
        (None, True, "NDCG@10 0.3000 to popularity's 0.2000, of 500 users"),
        (Comparison("holdout", 500, 0.37, 0.40), True, "0.3700 to the active model's 0.4000, of the same 500 users"),
        (Comparison("newer", 120, 0.35, 0.40), False, "120 users with an item newer than what it has learnt"),
        (Comparison("recorded", 500, 0.35, 0.40), False, "worse than the active model: NDCG@10 0.3500"),
        (Comparison("recorded", 500, 0.35, 0.40), False, "0.3600 would do"),
    ],
)
def test_it_must_not_fall_behind_the_active_model(beside: Comparison | None, passed: bool, said: str) -> None:
    verdict = judge(POLICY, LEAD, beside)
    assert verdict.passed is passed
    assert said in verdict.reason


@pytest.mark.parametrize(
    ("candidate", "error", "passed"), [(0.21, 0.001, True), (0.21, 0.02, False), (0.2, 0.0, False), (0.1, 0.001, False)]
)
def test_it_has_to_beat_popularity_by_more_than_chance(candidate: float, error: float, passed: bool) -> None:
    verdict = judge(POLICY, Lead(500, candidate, 0.2, error), Comparison("holdout", 500, 0.5, 0.1))
    assert verdict.passed is passed
    assert ("not certainly better than popularity" in verdict.reason) is not passed


def test_of_too_few_users_nothing_is_told() -> None:
    assert not_judged(POLICY) == Verdict(True, "not judged: fewer than 100 users have an item to hold out")
