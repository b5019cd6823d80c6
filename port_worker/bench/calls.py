"""What became of each call of a run."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ANSWERED = "ok"
NOT_SENT = "not_sent"  # the worker did not take it, or was not there any more when it was due
NO_ANSWER = "no_answer"  # sent, and silence until the end of the run's grace
WORKER_GONE = "worker_gone"  # in flight when the worker ended

_NAN = float("nan")


class Phase(IntEnum):
    """Where a call lies to the retrain; all calls of a run without one lie before it."""

    BEFORE = 0
    DURING = 1
    AFTER = 2


@dataclass
class Calls:
    """The measured calls in the order in which they were due, as columns of one length.

    `latency_ms` from the due time to the answer, NaN where there is no good one; `lag_ms` how late the driver sent it,
    NaN where it did not; `phase` when it was due; `outcome` ANSWERED, or the code of its error.
    """

    latency_ms: array[float] = field(default_factory=lambda: array("d"))
    lag_ms: array[float] = field(default_factory=lambda: array("d"))
    phase: array[int] = field(default_factory=lambda: array("b"))
    outcome: list[str] = field(default_factory=list)

    def sent(self, lag_ms: float, phase: Phase) -> None:
        """One more call, without an answer so far."""
        self._add(lag_ms, phase, NO_ANSWER)

    def not_sent(self, phase: Phase) -> None:
        """One more call, which could not be sent."""
        self._add(_NAN, phase, NOT_SENT)

    def answered(self, place: int, latency_ms: float) -> None:
        """The call at that place got its result."""
        self.latency_ms[place] = latency_ms
        self.outcome[place] = ANSWERED

    def failed(self, place: int, code: str) -> None:
        """The call at that place got an error."""
        self.outcome[place] = code

    def abandon(self) -> None:
        """The worker has ended: what had no answer will not get one."""
        self.outcome = [WORKER_GONE if outcome == NO_ANSWER else outcome for outcome in self.outcome]

    def counts(self, phase: Phase | None = None) -> Counter[str]:
        """How many calls, of one phase or of all, had each outcome."""
        if phase is None:
            return Counter(self.outcome)
        return Counter(outcome for outcome, of in zip(self.outcome, self.phase, strict=True) if of == phase)

    def latencies(self, phase: Phase | None = None) -> NDArray[np.float64]:
        """Milliseconds of the answered calls of one phase or of all, float64 (n,)."""
        import numpy as np

        milliseconds = np.array(self.latency_ms, dtype=np.float64)
        chosen = np.isfinite(milliseconds)
        if phase is not None:
            chosen &= np.array(self.phase, dtype=np.int8) == phase
        return milliseconds[chosen]

    def lags(self) -> NDArray[np.float64]:
        """Milliseconds by which the driver was late, of the calls that it sent, float64 (n,)."""
        import numpy as np

        milliseconds = np.array(self.lag_ms, dtype=np.float64)
        return milliseconds[np.isfinite(milliseconds)]

    def _add(self, lag_ms: float, phase: Phase, outcome: str) -> None:
        self.latency_ms.append(_NAN)
        self.lag_ms.append(lag_ms)
        self.phase.append(phase)
        self.outcome.append(outcome)
