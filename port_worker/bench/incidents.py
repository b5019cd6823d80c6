"""What happens beside the calls of a run: a retrain, a kill, a look at the workers' memory."""

from __future__ import annotations

from typing import Protocol

from port_worker.bench.stages import NEVER, Timeline
from port_worker.bench.wire import Answer
from protocol.messages import Outbound


class Running(Protocol):
    """The run, as an incident may use it. Times are nanoseconds from its start."""

    @property
    def timeline(self) -> Timeline:
        """Its stages."""

    @property
    def sent(self) -> int:
        """Calls so far, of the warm-up too."""

    @property
    def answered(self) -> int:
        """Of those."""

    @property
    def errors(self) -> int:
        """Of those, and of those that could not be sent."""

    @property
    def in_flight(self) -> int:
        """Calls that have no end yet."""

    def new_id(self) -> int:
        """For a call of the incident's own."""

    def send(self, worker: int, *payloads: bytes) -> None:
        """Frames of the incident's own."""

    def mark(self, at_ns: int, text: str) -> None:
        """Something that a reader of the results should see at that time."""


class Incident:
    """Does nothing; what happens overrides some of this. Whatever it does has to be quick: calls are due meanwhile."""

    patient = False
    """Whether `act` may wait until no call is due for a moment."""

    def due_ns(self) -> int:
        """When to be called next; NEVER for not at all."""
        return NEVER

    def act(self, _run: Running, _now_ns: int) -> None:
        """It is due."""

    def heard(self, _run: Running, _worker: int, _message: Answer | Outbound, _payload: bytes, _now_ns: int) -> bool:
        """A message that answers no call of the load. Returns whether it was this incident's."""
        return False

    def answered(self, _run: Running, _worker: int, _answer: Answer, _now_ns: int) -> None:
        """An answer to a call of the load came, good or not, for those that `listens`."""

    @property
    def listens(self) -> bool:
        """Whether `answered` is to be called, for each answer."""
        return False

    def lost(self, _run: Running, _worker: int, _calls: int, _now_ns: int) -> None:
        """A worker has ended, and took so many calls with it."""

    def over(self, _now_ns: int) -> bool:
        """Whether the run may end, as far as this is concerned, once all calls have ended."""
        return True

    def abandoned(self, _now_ns: int) -> None:
        """The run ends, whether this was over or not."""
