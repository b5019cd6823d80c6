"""The calls of a run summed up: counts by phase and operation, and rows by second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from port_worker.bench.beam.samples import NOT_SENT, Samples
from port_worker.bench.beam.waiting import made_by_one_that_waits
from port_worker.bench.beam.watching import Use, UseOfWorkers
from port_worker.bench.measured import DriverLoad, Measured, MeasuredPhase, Row
from port_worker.bench.percentile import percentile
from port_worker.bench.recording import Cell, Counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NS = 1_000_000_000


@dataclass(frozen=True)
class Window:
    """A phase: the calls that are due from `from_ns` on and before `to_ns`, from the start of the run."""

    name: str
    from_ns: int
    to_ns: int


def sum_up(
    samples: Samples, names: Sequence[str], windows: Sequence[Window], use: UseOfWorkers, began_s: float = 0.0
) -> Measured:
    """Sum up a run.

    Args:
        samples: its calls.
        names: the operation, as the mix has it, of each request of its plan.
        windows: at least one, in the order of time; what is due outside of them, such as a warm-up, is left out.
        use: what the workers held meanwhile.
        began_s: when the run began, by the monotonic clock.
    """
    from_ns, to_ns = windows[0].from_ns, windows[-1].to_ns
    waits = made_by_one_that_waits(samples)
    measured = [_due_within(samples, window) for window in windows]
    every = measured[0].copy()
    for chosen in measured[1:]:
        every |= chosen
    return Measured(
        began_s=began_s + from_ns / NS,
        phases=[
            _phase(samples, names, window, chosen, waits) for window, chosen in zip(windows, measured, strict=True)
        ],
        rows=_rows(samples, every, from_ns, to_ns, use),
        marks=[],
        driver=DriverLoad(_lags(samples, every), samples.beam.busy),
        workers=use.facts(from_ns, to_ns),
    )


def _due_within(samples: Samples, window: Window) -> NDArray[np.bool_]:
    return (samples.due_ns >= window.from_ns) & (samples.due_ns < window.to_ns)


def _phase(
    samples: Samples, names: Sequence[str], window: Window, chosen: NDArray[np.bool_], waits: NDArray[np.bool_]
) -> MeasuredPhase:
    import numpy as np

    named = np.array(names)[samples.ask]
    cells = {str(name): _cell(samples, chosen & (named == name), waits) for name in np.unique(named[chosen])}
    scheduled_ns = window.to_ns - window.from_ns
    last_ns = max((cell.last_ns for cell in cells.values()), default=0)
    return MeasuredPhase(window.name, scheduled_ns / NS, max(scheduled_ns, last_ns - window.from_ns) / NS, cells)


def _cell(samples: Samples, chosen: NDArray[np.bool_], waits: NDArray[np.bool_]) -> Cell:
    import numpy as np

    cell = Cell(offered=int(chosen.sum()), not_sent=int((chosen & (samples.outcome == NOT_SENT)).sum()))
    for number, count in zip(*np.unique(samples.outcome[chosen], return_counts=True), strict=True):
        outcome = samples.outcomes[int(number)]
        if outcome.name is not None:
            (cell.sources if outcome.ok else cell.errors)[outcome.name] += int(count)
    good = chosen & _is_good(samples)
    cell.ok = int(good.sum())
    cell.corrected = _counts(samples.latency_ns[good])
    cell.uncorrected = _counts((samples.latency_ns - samples.lag_ns)[good & waits])
    answered = chosen & (samples.latency_ns != 0)
    cell.last_ns = int((samples.due_ns[answered] + samples.latency_ns[answered]).max(initial=0))
    return cell


def _is_good(samples: Samples) -> NDArray[np.bool_]:
    import numpy as np

    return np.isin(samples.outcome, [number for number, outcome in samples.outcomes.items() if outcome.ok])


def _lags(samples: Samples, chosen: NDArray[np.bool_]) -> Counts:
    return _counts(samples.lag_ns[chosen & (samples.outcome != NOT_SENT)])


def _counts(nanoseconds: NDArray[np.int64]) -> Counts:
    import numpy as np

    values, counts = np.unique(nanoseconds // 1000, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _rows(samples: Samples, chosen: NDArray[np.bool_], from_ns: int, to_ns: int, use: UseOfWorkers) -> list[Row]:
    """One for each second that has begun."""
    import numpy as np

    order = np.flatnonzero(chosen)  # ascending by when calls were due
    edges = [*range(from_ns, to_ns, NS), to_ns]
    places = np.searchsorted(samples.due_ns[order], edges)
    good = _is_good(samples)
    return [
        _row(samples.latency_ns[calls[good[calls]]], len(calls), use.at(edge_ns + NS))
        for edge_ns, calls in zip(edges, np.split(order, places[1:-1]), strict=False)
    ]


def _row(latency_ns: NDArray[np.int64], offered: int, use: Sequence[Use | None]) -> Row:
    import numpy as np

    ascending = (np.sort(latency_ns) / 1e6).tolist()
    p50, p99, most = (percentile(ascending, q) if len(ascending) else None for q in (50.0, 99.0, 100.0))
    rss_bytes = [None if one is None else one.rss_bytes for one in use]
    cpu = [None if one is None else one.cpu for one in use]
    return Row(offered, len(ascending), offered - len(ascending), p50, p99, most, rss_bytes, cpu)
