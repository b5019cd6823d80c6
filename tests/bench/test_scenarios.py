"""What scenarios decide by themselves: a knee, calm after a burst, a slope, when to kill."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.bench.measured import DriverLoad, Measured, Row
from port_worker.bench.scenarios.burst import seconds_until_calm
from port_worker.bench.scenarios.kill import Killing, kill_times_ns
from port_worker.bench.scenarios.malformed import kinds
from port_worker.bench.scenarios.ramp import EASED, Step, climb, held, knee
from port_worker.bench.scenarios.soak import slope_per_hour
from port_worker.bench.stages import NS
from protocol.arguments import parse_arguments
from protocol.codec import CODECS, codec
from protocol.errors import ProtocolError
from protocol.messages import Call, parse_inbound
from tests.bench.fake_workers import MS, FakeWorkers, drive, outcomes_of, steady


def row(p99_ms: float | None, errors: int = 0) -> Row:
    return Row(100, 100 - errors, errors, p99_ms, p99_ms, p99_ms)


def worker_of(knee_at: float, busy: Callable[[float], float] = lambda _rate: 0.1) -> Callable[[float], Step]:
    """Meets everything up to that rate."""

    def step(rate: float) -> Step:
        measured = Measured(0.0, [], [], [], DriverLoad({}, busy(rate)), [])
        return Step(rate, measured, [] if rate <= knee_at else ["p99<50ms"])

    return step


@given(st.floats(1.0, 100_000.0), st.floats(1.0, 20_000.0), st.floats(0.01, 0.2))
def test_a_ramp_finds_the_knee_from_any_side(knee_at: float, first: float, precision: float) -> None:
    steps = climb(first, precision, worker_of(knee_at))
    found = knee(steps)
    if found is None:
        assert knee_at < 1.5
    else:
        assert found.rate <= knee_at <= found.rate * (1 + precision) * 1.0001
    assert len(steps) < 60


@pytest.mark.parametrize(("holds_at", "expected"), [(1000.0, 1000.0), (850.0, 1000.0 * EASED**2), (0.5, None)])
def test_a_knee_has_to_hold_for_longer_than_a_step(holds_at: float, expected: float | None) -> None:
    found = held(worker_of(1e9)(1000.0), worker_of(holds_at))
    assert (None if found is None else found.rate) == (None if expected is None else pytest.approx(expected))


def test_a_ramp_ends_where_the_driver_is_the_limit() -> None:
    steps = climb(1000.0, 0.05, worker_of(1e9, busy=lambda rate: rate / 10_000))
    found = knee(steps)
    assert found is not None
    assert found.rate == steps[-1].rate == pytest.approx(7594, abs=1)


def test_a_rate_that_meets_it_by_chance_above_one_that_does_not_is_no_knee() -> None:
    met = worker_of(1e9)(900.0)
    breached = worker_of(0.0)(800.0)
    assert knee([met, breached]) is None
    assert knee([met, breached, worker_of(1e9)(700.0)]) == worker_of(1e9)(700.0)


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        ([row(1.0), row(1.0)], 0),
        ([row(90.0), row(1.0), row(1.0)], 1),
        ([row(1.0), row(90.0), row(1.0)], 2),
        ([row(1.0, errors=1), row(1.0)], 1),
        ([row(90.0), row(90.0)], 2),
        ([row(None), row(1.0)], 0),
        ([], 0),
    ],
)
def test_calm_is_what_stays_calm(rows: list[Row], seconds: int) -> None:
    assert seconds_until_calm(rows, 5.0) == seconds


def test_a_slope_is_that_of_the_line_through_the_points() -> None:
    points = [(float(at), 50_000_000 + 1000 * at) for at in range(60)]
    assert slope_per_hour(points) == pytest.approx(3_600_000)


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-1e3, 1e3), min_size=50, max_size=100))
def test_noise_around_a_line_does_not_turn_it(per_hour: float, noise: list[float]) -> None:
    """As least squares by numpy has it."""
    import numpy as np

    points = [(float(at), per_hour * at / 3600 + one) for at, one in enumerate(noise)]
    expected = np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0] * 3600
    assert slope_per_hour(points) == pytest.approx(expected, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(1.0, 1.0), (1.0, 2.0)]])
def test_a_slope_needs_two_times(points: list[tuple[float, float]]) -> None:
    assert slope_per_hour(points) is None


@given(st.integers(1, 20), st.floats(1.0, 100.0), st.integers(0, 2**32))
def test_kills_lie_apart_and_leave_time_to_recover(count: int, seconds: float, seed: int) -> None:
    times = kill_times_ns(count, seconds, random.Random(seed))
    slot = seconds / count * NS
    assert len(times) == count
    assert all(0 <= at <= (seconds - 0.39 * seconds / count) * NS for at in times)
    assert all(after - before >= 0.39 * slot for before, after in itertools.pairwise(times))


class KillableWorkers(FakeWorkers):
    """Ends when it is killed, and is back 300 ms later."""

    def __len__(self) -> int:
        return len(self.unsent)

    def kill(self, worker: int) -> bool:
        if worker not in self.alive:
            return False
        self.dies_at[worker] = self.now + MS
        self.returns_at[worker] = self.now + 300 * MS
        return True


def test_recovery_is_from_the_kill_to_the_first_answer_of_the_next_worker() -> None:
    """Killed at 1 s and at 1.2 s, while it is starting: the second kill waits until it is back."""
    workers = KillableWorkers(lambda _k, _now: 20 * MS)
    killing = Killing(workers, [NS, round(1.2 * NS)], random.Random(7))
    load = drive(workers, steady(100.0, 3.0, warmup_s=0.5), [killing], deadline_ms=1000)
    assert [kill.at_ns / NS for kill in killing.kills] == pytest.approx([1.5, 1.85], abs=0.06)
    assert [kill.recovered_ms for kill in killing.kills] == pytest.approx([325, 325], abs=12)
    assert [kill.lost for kill in killing.kills] == pytest.approx([2, 2], abs=1)
    found = outcomes_of(load)
    assert found["worker_gone"] == sum(kill.lost or 0 for kill in killing.kills)
    assert found["not_sent"] == pytest.approx(60, abs=3)
    assert "no_answer" not in found
    assert [text for _, text in load.marks] == ["killed worker 0 (SIGKILL)"] * 2


def refusal(payload: bytes, name: str) -> ProtocolError:
    def read() -> None:
        call = parse_inbound(payload, codec(name))
        assert isinstance(call, Call)
        parse_arguments(call)

    with pytest.raises(ProtocolError) as caught:
        read()
    return caught.value


@pytest.mark.parametrize("name", CODECS)
def test_each_kind_of_malformed_frame_is_refused_as_it_says(name: str) -> None:
    choices = random.Random(7)
    for kind in kinds(codec(name)):
        for _ in range(20):
            error = refusal(kind.make(77, choices), name)
            assert error.code == kind.code, kind.name
