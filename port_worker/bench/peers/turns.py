"""Rounds in which each contender has its turn with the very same users, so that all meet the same disturbances."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from port_worker.bench.peers.contender import Contender
from port_worker.bench.serving.closed_loop import Flow
from port_worker.bench.serving.rounds import Draw


@dataclass(frozen=True)
class Plan:
    """`rounds`: in each, everybody answers `calls` requests, rounded up to whole batches of those in flight."""

    rounds: int
    calls: int
    in_flight: int

    def batches(self, in_flight: int) -> int:
        """Of a turn."""
        return -(-self.calls // in_flight)


@dataclass(frozen=True)
class Figures:
    """Of one turn, or of several: milliseconds, and calls a second."""

    p50_ms: float
    p99_ms: float
    per_s: float


@dataclass(frozen=True)
class Ratios:
    """How many times as much of each a contender has as another: more is slower in the first two, faster in `per_s`."""

    p50: float
    p99: float
    per_s: float


def turns(
    contenders: Mapping[str, Contender], in_flight: int, draw: Draw, plan: Plan, tell: Callable[[str], None]
) -> dict[str, list[Flow]]:
    """By name the turns of each, after one that is not counted, of a tenth of the calls. Raises NoAnswerError."""
    warm = draw(max(1, plan.batches(in_flight) // 10), in_flight)
    for contender in contenders.values():
        contender.flow(warm)
    found: dict[str, list[Flow]] = {name: [] for name in contenders}
    for number in range(plan.rounds):
        tell(f"{in_flight} in flight, round {number + 1} of {plan.rounds}")
        batches = draw(plan.batches(in_flight), in_flight)
        for name, contender in contenders.items():
            found[name].append(contender.flow(batches))
    return found


def figures(flows: Sequence[Flow]) -> Figures:
    """Of all their calls together. Percentiles are by nearest rank: a time that was measured."""
    ms = np.array([one for flow in flows for one in flow.ms])
    p50, p99 = np.percentile(ms, [50, 99], method="inverted_cdf").tolist()
    return Figures(p50, p99, len(ms) / sum(flow.seconds for flow in flows))


def ratios(flows: Sequence[Flow], to: Sequence[Flow]) -> Ratios:
    """The medians of the rounds' ratios: two turns of one round met the same machine."""
    pairs = [(figures([one]), figures([other])) for one, other in zip(flows, to, strict=True)]
    return Ratios(
        statistics.median(one.p50_ms / other.p50_ms for one, other in pairs),
        statistics.median(one.p99_ms / other.p99_ms for one, other in pairs),
        statistics.median(one.per_s / other.per_s for one, other in pairs),
    )
