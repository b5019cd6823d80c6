"""What a BEAM wrote of its run: the calls one by one, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from port_worker.bench.beam.plan import Plan
from protocol import etf
from protocol.messages import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOT_SENT, NO_ANSWER = 0, 1
"""The outcomes that have the same number in every run."""

_COLUMNS = ("due_ns", "lag_ns", "latency_ns", "outcome")


@dataclass(frozen=True)
class Outcome:
    """How a call ended: `ok`, and what the answer was made from, if it says; or not, and the code of the error."""

    ok: bool
    name: str | None


@dataclass(frozen=True)
class BeamFacts:
    """The virtual machine during the run.

    `busy` is the share of its schedulers' time, 0..1, in which they ran anything but the pacing; `cpu_ms` is the
    processor time of all its threads, those that wait busily among them; `yield_ms` what the pacing took. `queue_max`
    is the longest queue of messages that a connection to a worker was seen to have, `reductions` what all of these
    computed.
    """

    elixir: str
    otp: str
    schedulers: int
    elapsed_ns: int
    busy: float
    cpu_ms: int
    yield_ms: float
    queue_max: int
    reductions: int


@dataclass(frozen=True)
class Samples:
    """The calls in the order in which they were due, int64 (n,) each.

    `due_ns` from the start of the run; `lag_ns` from the due time to the send; `latency_ns` from the due time to the
    answer; `outcome` a key of `outcomes`; `ask` and `worker` the places of its request and of its worker in the plan.
    What did not happen is 0. `closed`: whether it was a closed loop.
    `before` and `after`: the status of each worker, None of one that gave none.
    """

    due_ns: NDArray[np.int64]
    lag_ns: NDArray[np.int64]
    latency_ns: NDArray[np.int64]
    outcome: NDArray[np.int64]
    ask: NDArray[np.int64]
    worker: NDArray[np.int64]
    closed: bool
    outcomes: Mapping[int, Outcome]
    before: list[dict[str, Any] | None]
    after: list[dict[str, Any] | None]
    beam: BeamFacts


def read_samples(data: bytes, plan: Plan) -> Samples:
    """Decode the file that the run of `plan` left. Raises ProtocolError."""
    import numpy as np

    result = etf.decode(data)
    columns = {name: np.frombuffer(result[name.encode()], dtype="<i8").astype(np.int64) for name in _COLUMNS}
    calls = np.arange(len(columns["outcome"]))
    if plan.closed is not None:  # room that was not needed is no call
        calls = calls[columns["outcome"] != NOT_SENT]
    else:
        columns["due_ns"] = np.array(plan.dues_ns, dtype=np.int64)
    return Samples(
        **{name: column[calls] for name, column in columns.items()},
        ask=calls % len(plan.asks),
        worker=calls % len(plan.workers),
        closed=plan.closed is not None,
        outcomes={number: _outcome(verdict, name) for number, verdict, name in plain(result[b"outcomes"])},
        before=plain(result[b"before"]),
        after=plain(result[b"after"]),
        beam=BeamFacts(**plain(result[b"beam"])),
    )


def _outcome(verdict: str, name: str) -> Outcome:
    return Outcome(verdict == "ok", None if name == "nil" else name)
