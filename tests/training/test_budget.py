"""Which epochs a time budget lets begin, by a clock that the test moves; and that LibRecommender's loops keep to it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from port_worker.training import catalogue, fit, two_stage
from port_worker.training.budget import Budget, shortened
from port_worker.training.dataset import TrainingData
from port_worker.training.plan import make_plan
from port_worker.training.progress import Progress, Reporter, StageReporter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def epochs(budget: Budget, clock: Clock, each_s: float, wanted: int = 10, share: float = 1.0) -> int:
    """How many of one model's epochs run, of so many seconds each."""
    for done in range(wanted):
        if not budget.may_begin(done, share):
            return done
        clock.now += each_s
    return wanted


@pytest.mark.parametrize(
    ("seconds", "each_s", "expected"),
    [(None, 1000.0, 10), (60.0, 1.0, 10), (6.0, 2.0, 3), (7.9, 2.0, 3), (1.0, 2.0, 1)],
)
def test_an_epoch_begins_if_it_will_end_in_time_and_the_first_in_any_case(
    seconds: float | None, each_s: float, expected: int
) -> None:
    clock = Clock()
    assert epochs(Budget(seconds, clock), clock, each_s) == expected


def test_what_went_before_counts_and_a_budget_that_is_over_leaves_one_epoch() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    clock.now += 7.0
    assert epochs(budget, clock, 1.0) == 3
    clock.now += 100.0
    assert epochs(budget, clock, 1.0) == 1
    assert budget.ran == [3, 1]


def test_of_two_fits_the_first_has_half_and_the_second_repeats_it() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    budget.fits_to_come = 2
    assert epochs(budget, clock, 2.0) == 2
    budget.repeat()
    assert epochs(budget, clock, 50.0) == 2
    assert budget.ran == [2]


def test_stages_share_what_is_left() -> None:
    clock = Clock()
    budget = Budget(12.0, clock)
    assert epochs(budget, clock, 1.0, wanted=2, share=1 / 2) == 2  # needs no more
    assert epochs(budget, clock, 2.0) == 5
    budget = Budget(12.0, clock)
    assert epochs(budget, clock, 2.0, share=1 / 2) == 3
    assert epochs(budget, clock, 2.0) == 3


def test_a_stage_knows_how_many_follow() -> None:
    clock = Clock()
    reporter = Reporter(_silent, clock)
    reporter.budget = Budget(8.0, clock)
    first, last = (StageReporter(reporter, stage, 2) for stage in range(2))
    heard = []
    for stage in (first, last):
        for done in range(3):
            heard.append(stage.may_begin(done))
            clock.now += 2.0
    assert heard == [True, True, False, True, False, False]  # after 6 of 8 seconds one more epoch takes all


def test_what_was_cut_is_said() -> None:
    assert shortened(60.0, {"ALS": 10, "DeepFM": 3}, {"ALS": 10, "DeepFM": 10}) == (
        "; 3 of 10 epochs of DeepFM in the budget of 60 s"
    )
    assert shortened(0.5, {"ALS": 10}, {"ALS": 10}) == shortened(0.5, {}, {}) == ""


def _silent(_progress: Progress) -> None:
    """Hear nothing."""


class Allowance(Budget):
    """Lets two epochs run, however long they take."""

    def may_begin(self, done: int, share: float = 1.0) -> bool:
        self.asked = [*getattr(self, "asked", []), done]
        return done < 2


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize(
    "name", ["ALS", "BPR", "Item2Vec", "DeepWalk", pytest.param("LightGCN", marks=pytest.mark.graph)]
)
def test_a_fit_that_is_stopped_after_two_epochs_is_one_of_two_epochs(name: str, data: TrainingData) -> None:
    """And once told to stop, it does not ask again."""

    def vectors(n_epochs: int, budget: Budget) -> list[np.ndarray]:
        params = fit.fitting_params(name, catalogue.validate(name, {"n_epochs": n_epochs}), len(data.item_ids))
        reporter = Reporter(_silent)
        reporter.budget = budget
        model, _exported = fit.fitted(name, params, data, reporter)
        return [model.user_embeds_np, model.item_embeds_np]

    stopped_by = Allowance()
    stopped, of_two = vectors(6, stopped_by), vectors(2, Budget())
    assert stopped_by.asked == [0, 1, 2]
    if name in ("Item2Vec", "DeepWalk"):  # their learning rate falls over all epochs that were wanted
        assert [mine.shape for mine in stopped] == [theirs.shape for theirs in of_two]
        assert all(np.isfinite(mine).all() for mine in stopped)
        return
    for mine, theirs in zip(stopped, of_two, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)  # torch adds up in another order now and then


@pytest.mark.usefixtures("_libraries")
def test_a_network_is_stopped_too(data: TrainingData) -> None:
    plan = make_plan("ALS+NCF", {"hidden_units": [8], "embed_size": 4}, epochs=4)
    reporter = Reporter(_silent)
    ticks = itertools.count()
    reporter.budget = Budget(0.0, lambda: float(next(ticks)))
    exported = two_stage.trained(plan, data, reporter, "exact")
    assert reporter.budget.ran == [1, 1]
    assert exported.kind == "two_stage"
