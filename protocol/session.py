"""The worker's side of a session: its states, and which calls are in flight.

Theory of operation. A session is in one of four states::

    starting --ready--> ready --drain--> draining --close--> closed
        \\__________________________________close___________/

While `starting` nothing is read, so nothing can be asked. In `ready` every op is admitted. In `draining` no new work
is: only the ops that tell about the worker (`ping`, `status`) and another `drain` are, so that a host can watch it end;
what was in flight is finished. `closed` is final. An id is in flight from its admission until its answer is sent, and
is the host's to use again from then on; so a cancel of an id that is not in flight is no error: the answer may have
crossed it.
"""

from __future__ import annotations

from protocol.errors import ProtocolError
from protocol.limits import MAX_IN_FLIGHT

TRANSITIONS: dict[tuple[str, str], str] = {
    ("starting", "ready"): "ready",
    ("ready", "drain"): "draining",
    ("draining", "drain"): "draining",
    ("starting", "close"): "closed",
    ("ready", "close"): "closed",
    ("draining", "close"): "closed",
    ("closed", "close"): "closed",
}

ADMITTED_WHILE_DRAINING = frozenset({"ping", "status", "drain"})


class Session:
    """States and ids; no I/O."""

    def __init__(self, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self.state = "starting"
        self._max_in_flight = max_in_flight
        self._live: set[int] = set()

    def _move(self, event: str) -> None:
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            raise ValueError(f"session: {event!r} is not possible while {self.state}")
        self.state = target

    def become_ready(self) -> None:
        """Hello is about to be sent. Raises ValueError in any state but `starting`."""
        self._move("ready")

    def start_draining(self) -> None:
        """Admit no more work. Raises ValueError unless `ready` or `draining`."""
        self._move("drain")

    def close(self) -> None:
        """The end, from any state."""
        self._move("close")
        self._live.clear()

    def admit(self, call_id: int, op: str) -> None:
        """Put a call in flight. Raises ProtocolError: `id_in_use`, `draining` or `overloaded`."""
        if call_id in self._live:
            raise ProtocolError("id_in_use", f"id: expected one that is not in flight, got {call_id}", {"id": call_id})
        if self.state != "ready" and not (self.state == "draining" and op in ADMITTED_WHILE_DRAINING):
            raise ProtocolError("draining", f"{op}: expected a worker that is ready, got one that is {self.state}")
        if len(self._live) >= self._max_in_flight:
            raise ProtocolError(
                "overloaded",
                f"{op}: expected fewer than {self._max_in_flight} calls in flight, got as many",
                {"limit": self._max_in_flight},
            )
        self._live.add(call_id)

    def finish(self, call_id: int) -> None:
        """The call's answer is being sent."""
        self._live.discard(call_id)

    def is_live(self, call_id: int) -> bool:
        """Whether a call of this id is in flight."""
        return call_id in self._live

    @property
    def in_flight(self) -> int:
        """How many calls are in flight."""
        return len(self._live)
