"""When calls are due, and which stage it is."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port_worker.bench.arrivals import ClosedLoop, OpenLoop, Pacing
from port_worker.bench.stages import NEVER, NS, Stage, Timeline


def due_times(pacing: Pacing, most: int = 100_000) -> list[int]:
    found: list[int] = []
    while pacing.due_ns < NEVER and len(found) < most:
        found.append(pacing.due_ns)
        pacing.advance()
    return found


def constant(*stages: Stage) -> OpenLoop:
    return OpenLoop(Timeline(stages))


def test_calls_are_due_at_equal_distances_from_the_start() -> None:
    times = due_times(constant(Stage("measured", 200.0, 15.0)))
    assert times[:3] == [0, 5_000_000, 10_000_000]
    assert len(times) == 3000


def test_a_rate_that_divides_nothing_does_not_drift() -> None:
    times = due_times(constant(Stage("measured", 3.0, 3600.0)))
    assert times[-1] == 3600 * NS - round(NS / 3)
    assert times[3 * 1800] == 1800 * NS


def test_each_stage_begins_at_the_end_of_the_one_before() -> None:
    loop = constant(Stage("warm-up", 2.0, 1.2, measured=False), Stage("measured", 4.0, 0.5))
    assert due_times(loop) == [0, NS // 2, NS, round(1.2 * NS), round(1.45 * NS)]
    assert loop.timeline.began_ns == [0, round(1.2 * NS)]
    assert loop.timeline.measured_from_ns == round(1.2 * NS)
    assert loop.timeline.is_over


def test_a_stage_too_short_for_a_call_has_none() -> None:
    loop = OpenLoop(Timeline([Stage("poisson", 1e-6, 1.0), Stage("measured", 1.0, 1.0)]), seed=7)
    times = due_times(loop)
    assert all(at >= NS for at in times)
    assert loop.timeline.ended_ns == [NS, 2 * NS]


def test_a_stage_without_an_end_goes_on_until_it_is_ended() -> None:
    loop = constant(Stage("during", 10.0, None), Stage("after", 10.0, 0.3))
    for _ in range(100):
        loop.advance()
    assert loop.timeline.place == 0
    assert loop.due_ns == 10 * NS
    loop.timeline.end_stage(round(9.95 * NS))
    assert due_times(loop) == [round(9.95 * NS), round(10.05 * NS), round(10.15 * NS)]
    assert loop.timeline.ended_ns == [round(9.95 * NS), round(10.25 * NS)]


def test_ending_the_open_stages_leaves_the_others_their_length() -> None:
    timeline = Timeline([Stage("before", 1.0, 1.0), Stage("during", 1.0, None), Stage("after", 1.0, 2.0)])
    timeline.end_open_stages(0)
    timeline.reach(NEVER)
    assert timeline.ended_ns == [NS, NS, 3 * NS]


def test_poisson_arrivals_have_the_rate_and_exponential_gaps() -> None:
    """The coefficient of variation of exponential gaps is 1; of 40,000 of them it is within a few hundredths."""
    times = due_times(OpenLoop(Timeline([Stage("measured", 400.0, 100.0)]), seed=7))
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(times) == pytest.approx(40_000, rel=0.02)
    assert statistics.stdev(gaps) / statistics.fmean(gaps) == pytest.approx(1.0, abs=0.03)
    assert sum(gap > 1e9 / 400 for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.01)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    stages = [Stage("measured", 100.0, 1.0)]
    first, same, other = (due_times(OpenLoop(Timeline(stages), seed)) for seed in (7, 7, 8))
    assert first == same != other


@settings(max_examples=50)
@given(st.floats(0.5, 1e5), st.floats(0.001, 0.5), st.integers(0, 2**32))
def test_due_times_ascend_within_their_stage(rate: float, seconds: float, seed: int) -> None:
    for spacing in (None, seed):
        times = due_times(OpenLoop(Timeline([Stage("measured", rate, seconds)]), spacing))
        assert times == sorted(times)
        assert all(0 <= at < round(seconds * NS) for at in times)


def test_a_closed_loop_is_due_as_slots_are_freed() -> None:
    loop = ClosedLoop(Timeline([Stage("measured", None, 1.0)]), in_flight=2)
    assert due_times(loop, most=3) == [0, 0]
    assert loop.due_ns == NEVER
    loop.freed(400)
    assert loop.due_ns == 400
    loop.advance()
    loop.freed(NS)
    assert loop.due_ns == NEVER
    assert loop.timeline.is_over
