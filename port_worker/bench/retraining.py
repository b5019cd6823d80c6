"""The retrain in the middle of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from port_worker.bench.calls import NO_ANSWER, WORKER_GONE, Phase
from port_worker.bench.schedule import NS
from protocol.messages import ErrorReply, Ok

LIMIT_S = 900.0
"""The retrain's deadline; a run waits some seconds more for the worker to say that it has passed."""

_GRACE_S = 10.0


@dataclass
class Retraining:
    """Asks for one retrain at `due_ns` after the start, and knows how it went.

    Args:
        due_ns: when to ask.
        args: of the op `retrain`.
    """

    due_ns: int
    args: dict[str, Any] = field(default_factory=dict)
    phase: Phase = Phase.BEFORE
    call_id: int | None = None
    began_ns: int = 0
    ended_ns: int = 0
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None

    def is_due(self, elapsed_ns: int) -> bool:
        """Whether it is time to ask."""
        return self.phase == Phase.BEFORE and elapsed_ns >= self.due_ns

    def began(self, call_id: int, elapsed_ns: int) -> None:
        """The worker has been asked."""
        self.phase, self.call_id, self.began_ns = Phase.DURING, call_id, elapsed_ns

    def take(self, answer: Ok | ErrorReply, elapsed_ns: int) -> bool:
        """Take its answer; returns False for the answer of another call."""
        if self.phase != Phase.DURING or answer.id != self.call_id:
            return False
        if isinstance(answer, Ok):
            self.result = answer.result
        else:
            self.error = {"code": answer.code, "message": answer.message}
        self._end(elapsed_ns)
        return True

    def is_overdue(self, elapsed_ns: int) -> bool:
        """Whether the worker has kept silent for longer than it may."""
        return self.phase == Phase.DURING and elapsed_ns > self.began_ns + (LIMIT_S + _GRACE_S) * NS

    def give_up(self, elapsed_ns: int, *, gone: bool = False) -> None:
        """No answer will come."""
        if self.phase != Phase.AFTER:
            code = WORKER_GONE if gone else NO_ANSWER
            self.error = {"code": code, "message": "the retrain was not answered"}
            self._end(elapsed_ns)

    @property
    def seconds(self) -> float:
        """From the asking to the answer."""
        return (self.ended_ns - self.began_ns) / NS if self.call_id is not None else 0.0

    def _end(self, elapsed_ns: int) -> None:
        self.phase, self.ended_ns = Phase.AFTER, elapsed_ns
