"""Shares that never fall, and reports that do not flood."""

from __future__ import annotations

import itertools

import pytest

from port_worker.training.progress import FITTED_ONCE, FITTED_TWICE, INTERVAL_S, Progress, Reporter, Spans


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("spans", [FITTED_ONCE, FITTED_TWICE])
def test_the_phases_follow_each_other_from_0_to_1(spans: Spans) -> None:
    bounds = list(spans.values())
    assert bounds[0][0] == 0.0
    assert bounds[-1][1] == 1.0
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(bounds))


def test_a_share_never_falls() -> None:
    heard: list[Progress] = []
    clock = Clock()
    reporter = Reporter(heard.append, clock)
    for done in (0.0, 0.5, 0.2, 1.7, 0.9):
        clock.now += INTERVAL_S
        reporter.report("fit", done)
    start, end = FITTED_ONCE["fit"]
    middle = start + (end - start) / 2
    assert [progress.share for progress in heard] == [start, middle, middle, end, end]


def test_reports_of_one_phase_come_no_faster_than_the_interval() -> None:
    heard: list[Progress] = []
    clock = Clock()
    reporter = Reporter(heard.append, clock)
    for step in range(1000):
        clock.now = 100 + step * INTERVAL_S / 100
        reporter.report("fit", step / 1000)
    assert len(heard) == 10


def test_a_new_phase_and_the_end_are_told_at_once() -> None:
    heard: list[Progress] = []
    reporter = Reporter(heard.append, Clock())
    for phase in FITTED_ONCE:
        reporter.report(phase, 0.0)
    reporter.report("export", 0.5)
    reporter.report("export", 1.0)
    assert [progress.phase for progress in heard] == [*FITTED_ONCE, "export"]
    assert heard[-1].share == 1.0


def test_a_model_that_is_fitted_once_more_does_not_know_it() -> None:
    heard: list[Progress] = []
    reporter = Reporter(heard.append, Clock())
    reporter.spans = FITTED_TWICE
    reporter.report("fit", 1.0)
    reporter.report("evaluate", 0.0)
    reporter.ndcg, reporter.fits = 0.25, "final_fit"
    reporter.report("fit", 0.0, epoch=1)
    assert [progress.phase for progress in heard] == ["fit", "evaluate", "final_fit"]
    assert [progress.ndcg for progress in heard] == [None, None, 0.25]
    assert [progress.share for progress in heard] == [FITTED_TWICE[each][1] for each in ("fit", "fit", "evaluate")]


def test_what_is_left_takes_as_long_as_what_is_done_took() -> None:
    heard: list[Progress] = []
    clock = Clock()
    reporter = Reporter(heard.append, clock)
    reporter.report("extract", 0.0)
    clock.now += 30.0
    reporter.report("prepare", 1.0)
    assert [progress.seconds_left for progress in heard] == [None, 170.0]
