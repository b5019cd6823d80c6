"""Shares that never fall, and reports that do not flood."""

from __future__ import annotations

import itertools

from port_worker.training.progress import INTERVAL_S, PHASES, Progress, Reporter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_phases_follow_each_other_from_0_to_1() -> None:
    bounds = list(PHASES.values())
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
    start, end = PHASES["fit"]
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
    for phase in PHASES:
        reporter.report(phase, 0.0)
    reporter.report("export", 0.5)
    reporter.report("export", 1.0)
    assert [progress.phase for progress in heard] == [*PHASES, "export"]
    assert heard[-1].share == 1.0
