"""The figures of a run, from calls that are known."""

from __future__ import annotations

from port_worker.bench.beam.drive import Tick
from port_worker.bench.beam.samples import read_samples
from port_worker.bench.beam.summing import Window, sum_up
from port_worker.bench.beam.watching import Held, UseOfWorkers
from port_worker.bench.measured import Measured
from tests.bench.beam_runs import MS, NO_ANSWER, NOT_SENT, NS, OVERLOADED, Call, plan_of, result

MIXED = ("recommend", "similar")


def found(calls: list[Call], *windows: Window, use: UseOfWorkers | None = None) -> Measured:
    samples = read_samples(result(calls), plan_of(calls, MIXED))
    return sum_up(samples, MIXED, windows, use or UseOfWorkers())


def every(second: int, latency_ms: int, calls: int = 10, outcome: int = 2) -> list[Call]:
    return [Call(second * NS + k * NS // calls, MS, latency_ms * MS, outcome) for k in range(calls)]


def test_latencies_count_from_the_due_time_and_from_the_send() -> None:
    calls = [Call(0, 1_500, 2_400_999), Call(3 * MS, 400_000, 900_000), Call(6 * MS, 0, 2_400_100)]
    [phase] = found(calls, Window("measured", 0, NS)).phases
    assert phase.cells["recommend"].corrected == {2_400: 2}
    assert phase.cells["recommend"].uncorrected == {2_399: 1, 2_400: 1}
    assert phase.cells["similar"].uncorrected == {500: 1}


def test_what_is_due_outside_of_the_windows_is_left_out() -> None:
    calls = every(0, 1) + every(1, 2) + every(2, 3) + every(3, 4)
    measured = found(calls, Window("before", NS, 2 * NS), Window("after", 3 * NS, 4 * NS))
    assert [(phase.name, phase.cells["similar"].corrected) for phase in measured.phases] == [
        ("before", {2000: 5}),
        ("after", {4000: 5}),
    ]
    assert [row.offered for row in measured.rows] == [10, 0, 10]
    assert measured.driver.lags == {1000: 20}


def test_every_call_that_has_no_good_answer_is_an_error_by_its_code() -> None:
    calls = [Call(0, 1, MS), Call(1, 2, MS, OVERLOADED), Call(2, 3, 0, NO_ANSWER), Call(3, 0, 0, NOT_SENT)]
    cells = found(calls, Window("measured", 0, NS)).phases[0].cells
    recommend, similar = cells["recommend"], cells["similar"]
    assert (recommend.offered, recommend.ok, recommend.not_sent) == (2, 1, 0)
    assert (similar.offered, similar.ok, similar.not_sent) == (2, 0, 1)
    assert dict(recommend.errors) == {"no_answer": 1}
    assert dict(similar.errors) == {"overloaded": 1, "not_sent": 1}
    assert dict(recommend.sources) == {"model": 1}
    assert similar.corrected == {}


def test_a_phase_lasts_until_its_last_answer() -> None:
    [phase] = found([Call(0, 0, MS), Call(NS - 1, 0, NS)], Window("measured", 0, NS)).phases
    assert phase.scheduled_s == 1.0
    assert phase.duration_s == 2.0 - 1e-9
    assert phase.cells["similar"].last_ns == 2 * NS - 1


def test_a_second_without_answers_has_no_latencies() -> None:
    calls = [*every(0, 1), *every(1, 0, outcome=NO_ANSWER), Call(2 * NS, 0, 5 * MS), Call(2 * NS + 1, 0, 9 * MS)]
    rows = found(calls, Window("measured", 0, 3 * NS)).rows
    assert [(row.offered, row.ok, row.errors) for row in rows] == [(10, 10, 0), (10, 0, 10), (2, 2, 0)]
    assert [(row.p50_ms, row.p99_ms, row.max_ms) for row in rows] == [(1, 1, 1), (None, None, None), (5, 9, 9)]


def test_a_stall_of_the_worker_is_one_slow_call_to_a_client_that_waits() -> None:
    """A worker that answers at once stalls for 1.4 s of a minute: each call in it takes what is left of the stall."""
    left_ms = [max(31_400 - k, 0) if k >= 30_000 else 0 for k in range(60_000)]
    calls = [Call(k * MS, 0, left * MS or MS // 2) for k, left in enumerate(left_ms)]
    [phase] = found(calls, Window("measured", 0, 60 * NS)).phases
    corrected, uncorrected = (
        {us: count for cell in phase.cells.values() for us, count in getattr(cell, kind).items() if us > 500}
        for kind in ("corrected", "uncorrected")
    )
    assert sum(corrected.values()) == 1_400
    assert uncorrected == {1_400_000: 1}


def test_a_stall_of_the_driver_is_in_what_counts_from_the_due_time_only() -> None:
    late_ms = [max(31_400 - k, 0) if k >= 30_000 else 0 for k in range(60_000)]
    calls = [Call(k * MS, late * MS, late * MS + MS // 2) for k, late in enumerate(late_ms)]
    cells = found(calls, Window("measured", 0, 60 * NS)).phases[0].cells
    assert max(cells["recommend"].corrected) == 1_400_500
    assert set(cells["recommend"].uncorrected) == {500}


def test_a_window_without_calls_is_an_empty_phase() -> None:
    measured = found(every(0, 1), Window("late", 5 * NS, 6 * NS))
    assert measured.phases[0].cells == {}
    assert measured.phases[0].duration_s == 1.0
    assert [row.offered for row in measured.rows] == [0]
    assert measured.driver.lags == {}


def test_rows_say_what_the_workers_held_at_the_end_of_their_second() -> None:
    seconds = iter([1.0, 1.5, 2.5])
    use = UseOfWorkers(look=lambda pid: Held(pid * 100, next(seconds)))
    use.ready((7, 0))
    for elapsed_s in (1.002, 2.003):
        use.tick(Tick(elapsed_s, 0, 0, 0, (7, 0)))
    rows = found(every(0, 1) + every(1, 1) + every(2, 1), Window("measured", 0, 3 * NS), use=use).rows
    assert [row.rss_bytes for row in rows] == [[700, None], [700, None], []]
    assert [row.cpu[0] for row in rows[:2]] == [0.5 / 1.002, 1.0 / (2.003 - 1.002)]
