"""Time per operation, in rounds in which every peer has its turn, so that what disturbs the machine disturbs all.

The collector stays on, as in a worker, and is run before every sample, so that none pays for another's garbage.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Nanoseconds from any beginning."""

_LEAST_NS = 1_000_000


@dataclass(frozen=True)
class Operation:
    """One operation of one peer: `function(argument)`.

    `read` makes of its result what has to equal `expected`; neither is timed.
    """

    function: Callable[[Any], Any]
    argument: Any
    read: Callable[[Any], Any]
    expected: Any

    def is_right(self) -> bool:
        """Whether it does what it is timed for."""
        return bool(self.read(self.function(self.argument)) == self.expected)


@dataclass(frozen=True)
class Quartiles:
    """Microseconds of one operation: the median of the rounds, and the quarters around it."""

    median: float
    p25: float
    p75: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Of at least one value, by nearest rank but for the median."""
        import statistics

        from port_worker.bench.percentile import percentile

        ascending = sorted(values)
        return cls(statistics.median(values), percentile(ascending, 25.0), percentile(ascending, 75.0))


Operations: TypeAlias = Mapping[str, Mapping[str, Operation]]
"""By case, then by peer."""

Samples: TypeAlias = dict[str, dict[str, list[float]]]
"""Microseconds an operation, by case, then by peer; one for each round."""


def measure(operations: Operations, rounds: int, sample_ms: float, clock: Clock = time.perf_counter_ns) -> Samples:
    """Warm up, find how often each operation goes into a sample of some `sample_ms`, then sample in rounds."""
    samples: Samples = {case: {peer: [] for peer in peers} for case, peers in operations.items()}
    with _settled_memory():
        loops = {
            (case, peer): _loops(operation, sample_ms, clock)
            for case, peers in operations.items()
            for peer, operation in peers.items()
        }
        for _ in range(rounds):
            for (case, peer), count in loops.items():
                gc.collect()
                spent_ns = _spent_ns(operations[case][peer], count, clock)
                samples[case][peer].append(spent_ns / count / 1e3)
    return samples


def ratios(samples: Mapping[str, Sequence[float]], base: str) -> dict[str, float]:
    """How many times longer than `base` each other peer took: the median over the rounds of the two in one round."""
    import statistics

    return {
        peer: statistics.median(one / other for one, other in zip(values, samples[base], strict=True))
        for peer, values in samples.items()
        if peer != base
    }


def _loops(operation: Operation, sample_ms: float, clock: Clock) -> int:
    """How often the operation goes into a sample; finding out warms it up."""
    count, target_ns = 1, sample_ms * 1e6
    while True:
        spent_ns = _spent_ns(operation, count, clock)
        if spent_ns >= min(target_ns, _LEAST_NS):
            return max(1, round(count * target_ns / spent_ns))
        count *= 4


def _spent_ns(operation: Operation, count: int, clock: Clock) -> int:
    function, argument = operation.function, operation.argument
    began = clock()
    for _ in repeat(None, count):
        function(argument)
    return clock() - began


@contextmanager
def _settled_memory() -> Iterator[None]:
    """What is there already is left out of every collection, which so costs what the sample itself has made."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
