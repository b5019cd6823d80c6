"""What the workers hold and how busy they are, once a second, when no call is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from port_worker.bench.incidents import Incident, Running
from port_worker.bench.stages import NEVER, NS

Pids = Callable[[], Sequence[int | None]]
"""Process ids by worker, None where there is none."""


class Use(NamedTuple):
    """Of one process: resident bytes, and seconds of processor time since its start."""

    rss_bytes: int
    cpu_s: float


def use_of(pid: int) -> Use | None:
    """None when it has ended."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Use(int(process.memory_info().rss), times.user + times.system)
    except psutil.Error:
        return None


@dataclass
class Sample:
    """Of one second, by worker: resident bytes at its end, and the share of one core, 0..1, that it used."""

    rss_bytes: list[int | None] = field(default_factory=list)
    cpu: list[float | None] = field(default_factory=list)


class Sampler(Incident):
    """Looks at the workers at the end of each measured second.

    Args:
        pids: of the workers.
        look: at one process.
        clock: seconds, by which shares of a core are reckoned.
    """

    patient = True

    def __init__(
        self,
        pids: Pids,
        look: Callable[[int], Use | None] = use_of,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._pids = pids
        self._look = look
        self._clock = clock
        self._before: dict[int, tuple[float, float]] = {}
        self._next_ns = 0
        self.samples: list[Sample] = []
        """One for each second of what is measured."""

    def up_to(self, seconds: int) -> list[Sample]:
        """Samples of so many seconds; those at whose end the load was over are made now."""
        if len(self.samples) < seconds:
            self._add(seconds)
        return self.samples[:seconds]

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._next_ns

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`."""
        timeline = run.timeline
        from_ns = timeline.measured_from_ns
        if timeline.is_over or from_ns == NEVER:
            self._next_ns = NEVER if timeline.is_over else now_ns + NS // 10
            return
        ended = (now_ns - from_ns) // NS
        if ended > len(self.samples) or not self._before:
            self._add(ended)
        self._next_ns = from_ns + (ended + 1) * NS

    def _add(self, ended: int) -> None:
        sample = self._sample()
        while len(self.samples) < ended:  # where the driver was held up for longer than a second
            self.samples.append(sample)

    def _sample(self) -> Sample:
        sample, now = Sample(), self._clock()
        for pid in self._pids():
            use = None if pid is None else self._look(pid)
            sample.rss_bytes.append(None if use is None else use.rss_bytes)
            sample.cpu.append(None if pid is None or use is None else self._share(pid, use, now))
        return sample

    def _share(self, pid: int, use: Use, now: float) -> float | None:
        before = self._before.get(pid)
        self._before[pid] = (now, use.cpu_s)
        return None if before is None or now <= before[0] else (use.cpu_s - before[1]) / (now - before[0])
