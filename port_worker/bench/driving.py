"""Who makes the load. `Driver` is the seam: another one, on the BEAM, hands over the same `Measured`."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from port_worker.bench.arrivals import POISSON, ClosedLoop, OpenLoop, Pacing
from port_worker.bench.fleet import Fleet
from port_worker.bench.incidents import Incident
from port_worker.bench.live import Live
from port_worker.bench.load import Load
from port_worker.bench.measured import DriverLoad, Mark, Measured, MeasuredPhase, Row
from port_worker.bench.plan import Plan
from port_worker.bench.recording import Cell
from port_worker.bench.sampling import Sample, Sampler
from port_worker.bench.stages import NEVER, NS, Timeline
from port_worker.bench.users import Users
from port_worker.bench.wire import AnswerReader, CallWriter, Prepared
from port_worker.bench.worker_status import between, status_of
from port_worker.bench.workload import Workload
from protocol.codec import codec


class Driver(Protocol):
    """Makes one load after the other on the same workers."""

    def drive(self, plan: Plan, incidents: Sequence[Incident] = ()) -> Measured:
        """Carry out one plan; a driver that is not Python's knows no incidents."""


class PythonDriver:
    """Drives a fleet from this process.

    Args:
        fleet: the workers.
        live: who watches.
    """

    def __init__(self, fleet: Fleet, live: Live) -> None:
        self._fleet = fleet
        self._live = live

    def drive(self, plan: Plan, incidents: Sequence[Incident] = ()) -> Measured:
        """As `Driver`."""
        fleet, options = self._fleet, plan.options
        sampler = Sampler(fleet.pids)
        load = Load(
            fleet,
            pacing_of(plan),
            calls_of(plan),
            AnswerReader(codec(options.codec)),
            deadline_ms=options.deadline_ms,
            incidents=[*incidents, sampler, self._live.watching()],
        )
        before = [status_of(fleet.link(worker)) for worker in range(len(fleet))]
        began_s = time.monotonic()
        with undisturbed():
            load.run()
        self._live.rest()
        samples = sampler.up_to(len(load.recorder.seconds))
        after = [status_of(fleet.link(worker)) for worker in range(len(fleet))]
        workers = [
            held_by(place, pid, samples) | between(before[place], after[place])
            for place, pid in enumerate(fleet.pids())
        ]
        return measured(load, samples, workers, began_s)


def pacing_of(plan: Plan) -> Pacing:
    """When the calls of a plan are due."""
    options, timeline = plan.options, Timeline(plan.stages)
    if options.closed:
        assert options.in_flight is not None
        return ClosedLoop(timeline, options.in_flight)
    return OpenLoop(timeline, options.seed if options.arrivals == POISSON else None)


def calls_of(plan: Plan) -> Iterator[tuple[str, Prepared]]:
    """What the calls of a plan ask for, without end."""
    options = plan.options
    users = Users(plan.world.users, exponent=options.exponent, cold=options.cold, seed=options.seed)
    writer = CallWriter(codec(options.codec), options.deadline_ms)
    return iter(
        Workload(
            writer,
            users,
            plan.world.items,
            mix=options.mix,
            n=options.n,
            payload_bytes=options.payload_bytes,
            seed=options.seed,
        )
    )


def measured(load: Load, samples: Sequence[Sample], workers: list[dict[str, Any]], began_s: float) -> Measured:
    """What a load that has run found; `began_s` is when it was started."""
    timeline = load.timeline
    from_ns = timeline.measured_from_ns if timeline.measured_from_ns < NEVER else 0
    rows = [
        Row.of(second, sample.rss_bytes, sample.cpu)
        for second, sample in zip(load.recorder.seconds, samples, strict=False)
    ]
    marks = [Mark((at_ns - from_ns) / NS, text) for at_ns, text in load.marks]
    phases = list(_phases(timeline, load.recorder.cells))
    driver = DriverLoad(load.recorder.lags, load.busy)
    return Measured(began_s + from_ns / NS, phases, rows, marks, driver, workers)


def _phases(timeline: Timeline, cells: dict[tuple[int, str], Cell]) -> Iterator[MeasuredPhase]:
    for place, (stage, began_ns, ended_ns) in enumerate(
        zip(timeline.stages, timeline.began_ns, timeline.ended_ns, strict=True)
    ):
        if stage.measured:
            own = {op: cell for (where, op), cell in cells.items() if where == place}
            last_ns = max((cell.last_ns for cell in own.values()), default=0)
            scheduled_s, duration_s = (ended_ns - began_ns) / NS, (max(ended_ns, last_ns) - began_ns) / NS
            yield MeasuredPhase(stage.name, scheduled_s, duration_s, own)


def held_by(place: int, pid: int | None, samples: Sequence[Sample]) -> dict[str, Any]:
    """What the process at that place held, and the share of a core, 0..1, that it used."""
    held = [rss for sample in samples if (rss := sample.rss_bytes[place]) is not None]
    cpu = [share for sample in samples if (share := sample.cpu[place]) is not None]
    return {
        "pid": pid,
        "cpu": sum(cpu) / len(cpu) if cpu else None,
        "rss_bytes": held[-1] if held else None,
        "rss_peak_bytes": max(held, default=None),
    }


@contextmanager
def undisturbed() -> Iterator[None]:
    """Python's cyclic collector stays away: nothing of a load is cyclic, and its walk would make sends late."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
