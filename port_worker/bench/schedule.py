"""When each call of an open loop is meant to be sent: fixed beforehand, whatever the worker does."""

from __future__ import annotations

from dataclasses import dataclass

NS = 1_000_000_000


@dataclass(frozen=True)
class Schedule:
    """Call k is due k/rate seconds after the start. The first `warmup_s` seconds are not measured."""

    rate: float
    warmup_s: float
    duration_s: float

    def due_ns(self, k: int) -> int:
        """Nanoseconds from the start to call k; computed from k, so that no rounding accumulates."""
        return round(k * NS / self.rate)

    def due_by(self, elapsed_ns: int) -> int:
        """How many calls are due by then: the first call that is not."""
        k = int(elapsed_ns * self.rate / NS)
        while self.due_ns(k) <= elapsed_ns:
            k += 1
        while k > 0 and self.due_ns(k - 1) > elapsed_ns:
            k -= 1
        return k

    @property
    def warmup_calls(self) -> int:
        """Calls that are due within the warm-up: the first that is measured has this number."""
        return self._calls_within(self.warmup_s)

    @property
    def calls(self) -> int:
        """Calls of the warm-up and the measured window together."""
        return self._calls_within(self.warmup_s + self.duration_s)

    def _calls_within(self, seconds: float) -> int:
        return self.due_by(round(seconds * NS) - 1) if seconds > 0 else 0
