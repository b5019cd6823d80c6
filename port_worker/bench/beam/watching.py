"""What the workers of a BEAM hold and how busy they are, looked at whenever it says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from port_worker.bench.beam.drive import Tick

NS = 1_000_000_000


class Held(NamedTuple):
    """Of one process: resident bytes, and seconds of processor time since its start."""

    rss_bytes: int
    cpu_s: float


class Use(NamedTuple):
    """Of one worker: resident bytes, and the share of one core, 0..1, that it used since the look before."""

    rss_bytes: int
    cpu: float | None


def held_by(pid: int) -> Held | None:
    """None of a process that has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Held(int(process.memory_info().rss), times.user + times.system)
    except psutil.Error:
        return None


@dataclass
class UseOfWorkers:
    """Takes a run's ticks; `look` is at one process."""

    look: Callable[[int], Held | None] = held_by
    _looks: list[tuple[int, list[Use | None]]] = field(default_factory=list)
    _before: dict[int, tuple[float, float]] = field(default_factory=dict)

    def ready(self, pids: tuple[int, ...]) -> None:
        """The load begins: processor time counts from now on."""
        for pid in pids:
            self._use(pid, 0.0)

    def tick(self, tick: Tick) -> None:
        """It is so late."""
        self._looks.append((round(tick.elapsed_s * NS), [self._use(pid, tick.elapsed_s) for pid in tick.pids]))

    def at(self, at_ns: int) -> list[Use | None]:
        """By worker, what the look showed that was nearest to that time since the start; empty where it is too far."""
        nearest = min(self._looks, key=lambda look: abs(look[0] - at_ns), default=None)
        return [] if nearest is None or abs(nearest[0] - at_ns) > NS // 2 else nearest[1]

    def _use(self, pid: int, at_s: float) -> Use | None:
        held = self.look(pid) if pid else None
        if held is None:
            return None
        before = self._before.get(pid)
        self._before[pid] = (at_s, held.cpu_s)
        if before is None or at_s <= before[0]:
            return Use(held.rss_bytes, None)
        return Use(held.rss_bytes, (held.cpu_s - before[1]) / (at_s - before[0]))
