"""The bench's driver that is a BEAM: its plans in the BEAM's words, and what that found in the bench's."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from port_worker.bench import plan as bench
from port_worker.bench.arrivals import POISSON, OpenLoop
from port_worker.bench.beam.drive import Tick
from port_worker.bench.beam.plan import MOST_ASKS, Ask, Closed, Plan, Worker, ask_of
from port_worker.bench.beam.run import measure
from port_worker.bench.beam.samples import BeamFacts
from port_worker.bench.beam.summing import Window
from port_worker.bench.driving import calls_of
from port_worker.bench.incidents import Incident
from port_worker.bench.live import Live
from port_worker.bench.measured import Measured
from port_worker.bench.stages import NEVER, NS, Stage, Timeline
from port_worker.bench.worker_status import between


class ElixirDriver:
    """Carries out each plan in a BEAM of its own, which starts the workers and ends them.

    Args:
        command: of a worker that speaks External Term Format.
        cache: where the compiled client is kept.
        live: who watches.
    """

    def __init__(self, command: Sequence[str], cache: Path, live: Live) -> None:
        self._command = command
        self._cache = cache
        self._live = live
        self.beam: BeamFacts | None = None
        """Of the last run."""

    def drive(self, plan: bench.Plan, incidents: Sequence[Incident] = ()) -> Measured:
        """As `Driver`. Raises BeamError, or WorkerGone when a worker does not start."""
        assert not incidents, "a BEAM knows no incidents"
        options = plan.options
        dues = array("q") if options.closed else array("q", _dues_ns(plan))
        names, asks = _asked(plan, MOST_ASKS if options.closed else min(len(dues), MOST_ASKS))
        measured, samples = measure(
            Plan(
                workers=[Worker(self._command)] * options.workers,
                asks=asks,
                dues_ns=dues,
                closed=Closed(options.in_flight, _length_s(plan.stages)) if options.in_flight else None,
                deadline_ms=options.deadline_ms,
            ),
            names,
            list(_windows(plan.stages)),
            self._cache,
            self._tell,
        )
        self._live.rest()
        looks = zip(measured.workers, samples.before, samples.after, strict=False)
        measured.workers = [worker | between(before, after) for worker, before, after in looks]
        self.beam = samples.beam
        return measured

    def _tell(self, tick: Tick) -> None:
        self._live.show(f"through Elixir {tick.elapsed_s:.0f} s", tick.sent, tick.ok + tick.errors, tick.errors)


def _dues_ns(plan: bench.Plan) -> Iterator[int]:
    """The same due times as from Python."""
    options = plan.options
    pacing = OpenLoop(Timeline(plan.stages), options.seed if options.arrivals == POISSON else None)
    while (due_ns := pacing.due_ns) < NEVER:
        yield due_ns
        pacing.advance()


def _asked(plan: bench.Plan, count: int) -> tuple[list[str], list[Ask]]:
    """The first requests that Python would make: their names in the mix, and what they are."""
    calls = calls_of(plan)
    first = [next(calls) for _ in range(max(count, 1))]
    return [name for name, _call in first], [ask_of(call.payload(0)) for _name, call in first]


def _windows(stages: Sequence[Stage]) -> Iterator[Window]:
    ends = [round(end_s * NS) for end_s in accumulate(_duration_s(stage) for stage in stages)]
    for stage, from_ns, to_ns in zip(stages, [0, *ends], ends, strict=False):
        if stage.measured:
            yield Window(stage.name, from_ns, to_ns)


def _length_s(stages: Sequence[Stage]) -> float:
    return sum(map(_duration_s, stages))


def _duration_s(stage: Stage) -> float:
    assert stage.duration_s is not None, "a BEAM has to know the length of every stage"
    return stage.duration_s
