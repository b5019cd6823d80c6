"""What a worker knows of itself: memory, heavy modules, counts, how long calls wait and take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from port_worker.scheduler import Lane, Work

_HEAVY = ("tensorflow", "torch", "libreco", "pandas", "scipy", "sklearn", "gensim", "pyarrow")


@dataclass
class Running:
    """Mean and maximum of what was added."""

    count: int = 0
    total: float = 0.0
    most: float = 0.0

    def add(self, *values: float) -> None:
        """Some more; at least one."""
        self.count += len(values)
        self.total += sum(values)
        self.most = max(self.most, *values)

    @property
    def mean(self) -> float:
        """0 before the first."""
        return self.total / self.count if self.count else 0.0


@dataclass
class Counters:
    """Since the start: calls answered, errors sent, batches of `recommend`, and how long those waited and took.

    A call waits from when it was read to when its batch begins; it takes from then to its answer.
    """

    answered: int = 0
    errors: int = 0
    batch: Running = field(default_factory=Running)
    queue_ms: Running = field(default_factory=Running)
    service_ms: Running = field(default_factory=Running)

    def begun(self, works: Sequence[Work], now: float) -> None:
        """A job begins; only batches count."""
        if works[0].lane is Lane.BATCH:
            self.batch.add(len(works))
            self.queue_ms.add(*[(now - work.admitted_at) * 1000 for work in works])

    def ended(self, works: Sequence[Work], begun_at: float, now: float) -> None:
        """Calls of a job have their answers."""
        if works and works[0].lane is Lane.BATCH:
            self.service_ms.add(*[(now - begun_at) * 1000] * len(works))

    def facts(self) -> dict[str, int | float]:
        """What `status` says."""
        return {
            "answered": self.answered,
            "errors": self.errors,
            "batches": self.batch.count,
            "batch_mean": self.batch.mean,
            "batch_max": int(self.batch.most),
            "queue_ms_mean": self.queue_ms.mean,
            "queue_ms_max": self.queue_ms.most,
            "service_ms_mean": self.service_ms.mean,
            "service_ms_max": self.service_ms.most,
        }


def resident_bytes() -> int:
    """Resident set size of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)


def heavy_modules() -> list[str]:
    """Which packages of the trainer are imported here. Serving an embedding model needs none."""
    return [name for name in _HEAVY if name in sys.modules]
