"""The session: which calls a worker takes, and which are still unanswered.

Theory of operation. A worker lives through four states, in one direction only:

    starting    loading its model; reads nothing, so the pipe holds what a host says too early
    ready       from `hello` on: takes every call
    draining    after the op `drain`, SIGTERM or the end of input: answers what is in flight, takes only ops that report
    closed      everything that can be answered is, or nobody reads any more; the process is about to exit

A call is in flight from `admit` until `finish`; every admitted call is finished exactly once, by `ok` or `error`. While
it is in flight its id is taken; afterwards the host may use the id again. A cancel races with the answer, and a host
cannot know who won: a cancel of an id that is not in flight is therefore no error and has no answer. The ids in flight
are bounded, and so is the memory that a host can make a worker hold.

What a host may do wrong has three ends. A frame that is no term, no message or no valid call is answered, and nothing
changes. A length above the limit ends the input as EOF does, since what follows it cannot be told from frames: what was
read is answered, then the worker exits. Another version of the protocol is the host's to refuse, on hearing `hello`:
the worker says its own and speaks no other. `TRANSITIONS` and `TAKES` are all there is to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.atoms import OPS
from protocol.errors import ProtocolError
from protocol.limits import Limits

TRANSITIONS: Mapping[tuple[str, str], str] = {
    ("starting", "become_ready"): "ready",
    ("starting", "start_draining"): "draining",
    ("draining", "become_ready"): "draining",
    ("ready", "start_draining"): "draining",
    ("draining", "start_draining"): "draining",
    ("starting", "close"): "closed",
    ("ready", "close"): "closed",
    ("draining", "close"): "closed",
    ("closed", "close"): "closed",
}
"""(state, event) to the next state. What is absent is a defect of the worker."""

TAKES: Mapping[str, frozenset[str]] = {
    "starting": frozenset(),
    "ready": frozenset(OPS),
    "draining": frozenset(("ping", "status", "drain")),
    "closed": frozenset(),
}
"""The ops that are taken in each state."""


class Session:
    """The state of one worker, and the ids of its calls in flight."""

    def __init__(self, max_in_flight: int = Limits.max_in_flight) -> None:
        self._state = "starting"
        self._live: set[int] = set()
        self._max_in_flight = max_in_flight

    @property
    def state(self) -> str:
        """One of `protocol.atoms.STATES`."""
        return self._state

    @property
    def in_flight(self) -> int:
        """How many calls are admitted and not finished."""
        return len(self._live)

    def become_ready(self) -> None:
        """`hello` is about to be sent. A worker that was told to drain while it loaded goes on draining."""
        self._advance("become_ready")

    def start_draining(self) -> None:
        """Take no more work; any number of times."""
        self._advance("start_draining")

    def close(self) -> None:
        """The session is over; what is still in flight stays unanswered."""
        self._advance("close")
        self._live.clear()

    def admit(self, call_id: int, op: str) -> None:
        """Take a call in flight. Raises ProtocolError: `id_in_use`, `draining` or `overloaded`."""
        if call_id in self._live:
            raise ProtocolError("id_in_use", f"id: expected one that is not in flight, got {call_id}", {"id": call_id})
        if op not in TAKES[self._state]:
            raise ProtocolError("draining", f"{op}: expected a ready worker, this one is {self._state}", {"op": op})
        if len(self._live) >= self._max_in_flight:
            raise ProtocolError(
                "overloaded",
                f"{op}: expected at most {self._max_in_flight} calls in flight, got one more",
                {"op": op, "limit": self._max_in_flight},
            )
        self._live.add(call_id)

    def is_live(self, call_id: int) -> bool:
        """Whether a call is in flight."""
        return call_id in self._live

    def finish(self, call_id: int) -> None:
        """A call is answered. Nothing happens when it is not in flight."""
        self._live.discard(call_id)

    def _advance(self, event: str) -> None:
        state = TRANSITIONS.get((self._state, event))
        if state is None:
            raise ValueError(f"session: {event} is not possible while {self._state}")
        self._state = state
