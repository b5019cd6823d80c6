"""What a BEAM is to do, as one External Term Format term that it can read without a library."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from protocol import etf
from protocol.atoms import Atom

Ask: TypeAlias = "tuple[str, Mapping[str, Any]]"
"""An op and its arguments."""

OPS = ("ping", "recommend", "recommend_many", "similar", "score", "explain")
"""What a plan may ask for; `elixir_example/client/bench/ask.ex` knows the same."""

MOST_ASKS = 20_000
"""Requests that a plan holds. A longer run begins again with the first: some 10 MB on the BEAM, and more different ones
than any cache between here and the model keeps."""

_CLOSED_CALLS_A_SECOND = 100_000
_MOST_CLOSED_CALLS = 4_000_000  # 128 MB of columns


@dataclass(frozen=True)
class Worker:
    """A worker that the BEAM spawns: its command line, and changes to its environment."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Closed:
    """So many callers, each with one call at a time, for so many seconds."""

    in_flight: int
    duration_s: float

    @property
    def capacity(self) -> int:
        """Calls that there is room for; a run that makes more ends there."""
        return min(round(self.duration_s * _CLOSED_CALLS_A_SECOND), _MOST_CLOSED_CALLS)


@dataclass(frozen=True)
class Plan:
    """One run: an open loop with `dues_ns`, or a closed one.

    Args:
        workers: at least one; call number k goes to number k modulo their count.
        asks: at least one; call number k makes number k modulo their count.
        dues_ns: nanoseconds from the start, ascending, one a call; empty for a closed loop.
        closed: the closed loop, or None.
        deadline_ms: of each call; None for no deadline.
        grace_s: how long to wait for answers after the last call of an open loop.
        boot_s: how long a worker may take to start.
    """

    workers: Sequence[Worker]
    asks: Sequence[Ask]
    dues_ns: array[int] = field(default_factory=lambda: array("q"))
    closed: Closed | None = None
    deadline_ms: int | None = None
    grace_s: float = 5.0
    boot_s: float = 60.0

    @property
    def end_ns(self) -> int:
        """When the last call is due, or a closed loop ends, in nanoseconds from the start."""
        if self.closed is not None:
            return round(self.closed.duration_s * 1e9)
        return self.dues_ns[-1] if self.dues_ns else 0

    @property
    def longest_s(self) -> float:
        """Seconds after which the run is over, however badly it goes."""
        return self.boot_s + self.end_ns / 1e9 + max(self.grace_s, (self.deadline_ms or 0) / 1e3)

    def encode(self) -> bytes:
        """The file that the BEAM reads. Raises ValueError for an op that it cannot ask for."""
        term = {
            "workers": [{"command": list(one.command), "env": dict(one.env)} for one in self.workers],
            "asks": [_ask(op, args) for op, args in self.asks],
            "dues_ns": None if self.closed is not None else _little_endian(self.dues_ns),
            "closed": None if self.closed is None else _closed(self.closed),
            "deadline_ms": self.deadline_ms,
            "grace_ms": round(max(self.grace_s * 1000, self.deadline_ms or 0)),
            "boot_ms": round(self.boot_s * 1000),
        }
        return etf.encode(term)


def some(asks: Iterable[Ask], calls: int) -> list[Ask]:
    """As many requests of an endless workload as a plan of so many calls holds, one at the least."""
    return list(islice(asks, max(min(calls, MOST_ASKS), 1)))


def ask_of(payload: bytes) -> Ask:
    """The request of a call that is bytes already."""
    _tag, _id, op, args, _deadline = etf.decode(payload)
    return str(op), {str(name): value for name, value in args.items()}


def _ask(op: str, args: Mapping[str, Any]) -> tuple[Atom, dict[Atom, Any]]:
    if op not in OPS:
        raise ValueError(f"expected one of {', '.join(OPS)} to ask for through Elixir, got {op!r}")
    return Atom(op), {Atom(name): value for name, value in args.items()}


def _closed(closed: Closed) -> dict[str, int]:
    return {
        "in_flight": closed.in_flight,
        "duration_ns": round(closed.duration_s * 1e9),
        "capacity": closed.capacity,
    }


def _little_endian(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
