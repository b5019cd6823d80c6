"""Times in rounds in which everything compared has its turn, so that what disturbs the machine disturbs all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.pipe import TimedWorker, recommend_calls
from port_worker.bench.serving.plan import Plan

Batches: TypeAlias = Sequence[Sequence[int]]
"""User rows: those of one batch are all different, and are asked about together."""

Sample: TypeAlias = Callable[[Batches], float]
"""Milliseconds of one batch: the median for users who are asked about alone, else the mean."""

_MOST_BATCHES = 2000


class Draw:
    """Users to ask about, chosen by a seed."""

    def __init__(self, users: int, seed: int = 11) -> None:
        self._users = users
        self._random = np.random.default_rng(seed)

    def __call__(self, batches: int, size: int) -> Batches:
        return [self._random.choice(self._users, size, replace=False).tolist() for _ in range(batches)]


def of_worker(worker: TimedWorker, users: Sequence[str], n: int) -> Sample:
    """A worker asked through its pipe, with as many calls in flight as a batch has users. `users`: all ids, by row."""

    def sample(batches: Batches) -> float:
        calls = worker.encoded("recommend", recommend_calls([users[row] for batch in batches for row in batch], n))
        flow = worker.closed_loop(calls, len(batches[0]))
        return statistics.median(flow.ms) if len(batches[0]) == 1 else flow.seconds * 1e3 / len(batches)

    return sample


def of_peer(peer: PeerProcess) -> Sample:
    """A peer, called once for a batch."""

    def sample(batches: Batches) -> float:
        ms = peer.times(batches)
        return statistics.median(ms) if len(batches[0]) == 1 else statistics.fmean(ms)

    return sample


def interleaved(compared: Mapping[str, Sample], size: int, draw: Draw, plan: Plan) -> dict[str, list[float]]:
    """By name the milliseconds of a batch of `size` users in each round, after a first sample that is not counted."""
    counts = {name: _batches(sample, size, draw, plan.sample_ms) for name, sample in compared.items()}
    found: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(plan.rounds):
        for name, sample in compared.items():
            found[name].append(sample(draw(counts[name], size)))
    return found


def times(samples: Mapping[str, Sequence[float]], slow: str, fast: str) -> float | None:
    """How many times longer `slow` took: the median of the rounds' ratios. None where one of them was not there."""
    if slow not in samples or fast not in samples:
        return None
    return statistics.median(one / other for one, other in zip(samples[slow], samples[fast], strict=True))


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """By name the median of the rounds."""
    return {name: statistics.median(values) for name, values in samples.items()}


def _batches(sample: Sample, size: int, draw: Draw, target_ms: float) -> int:
    """How many batches make a sample of that length; finding out warms up."""
    sample(draw(1, size))
    return max(1, min(_MOST_BATCHES // size, round(target_ms / sample(draw(2, size)))))
