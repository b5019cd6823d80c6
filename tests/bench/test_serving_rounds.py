"""Turns and ratios, without a clock: what is sampled says itself how long it took."""

from __future__ import annotations

import pytest

from port_worker.bench.serving.agreement import share_found
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.plan import Plan
from port_worker.bench.serving.rounds import Batches, Draw, Sample, interleaved, medians, times

PLAN = Plan(quick=False, rounds=3)


def test_everything_has_its_turn_in_each_round_after_what_is_not_counted() -> None:
    turns: list[tuple[str, int]] = []

    def taking(name: str, ms: float) -> Sample:
        def sample(batches: Batches) -> float:
            turns.append((name, len(batches)))
            return ms

        return sample

    found = interleaved({"fast": taking("fast", 2.5), "slow": taking("slow", 500.0)}, 64, Draw(100), PLAN)
    assert found == {"fast": [2.5] * 3, "slow": [500.0] * 3}
    # 2000 users make a sample at most, so 31 batches of 64 instead of the 240 that 600 ms would hold.
    assert turns == [("fast", 1), ("fast", 2), ("slow", 1), ("slow", 2), *[("fast", 31), ("slow", 1)] * 3]


def test_users_are_drawn_by_the_seed_and_differ_within_a_batch() -> None:
    batches = Draw(70)(5, 64)
    assert batches == Draw(70)(5, 64)
    assert all(len(set(batch)) == 64 and set(batch) <= set(range(70)) for batch in batches)
    assert batches[0] != batches[1]


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    samples = {"one": [1.0, 2.0, 4.0], "other": [3.0, 4.0, 40.0]}
    assert times(samples, "other", "one") == 3.0
    assert times(samples, "other", "none") is None
    assert medians(samples) == {"one": 2.0, "other": 4.0}


def test_the_share_that_is_found_is_of_all_users_items() -> None:
    assert share_found([[1, 2], [3, 4]], [[2, 1], [4, 5]]) == 0.75
    assert share_found([["a"], []], [["b", "a"], ["c"]]) == 1.0


def test_fewer_items_are_no_answer() -> None:
    with pytest.raises(NoAnswerError, match="fewer items"):
        share_found([[1, 2]], [[1]])
