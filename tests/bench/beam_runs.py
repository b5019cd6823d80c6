"""Runs of a BEAM as a test writes them down: the calls, and the file that they come in."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from port_worker.bench.beam.plan import Plan, Worker
from protocol import etf

MS = 1_000_000
NS = 1_000_000_000
BEAM = {
    "elixir": "1.14.0",
    "otp": "25",
    "schedulers": 2,
    "elapsed_ns": 2 * NS,
    "busy": 0.25,
    "cpu_ms": 500,
    "yield_ms": 3.5,
    "queue_max": 7,
    "reductions": 1000,
}
OUTCOMES = [[0, "error", "not_sent"], [1, "error", "no_answer"], [2, "ok", "model"], [3, "error", "overloaded"]]
NOT_SENT, NO_ANSWER, MODEL, OVERLOADED = range(4)


class Call(NamedTuple):
    """When it was due, and how long after that it was sent and answered: nanoseconds."""

    due: int
    lag: int = 0
    latency: int = 0
    outcome: int = MODEL


def result(calls: Sequence[Call], outcomes: Sequence[Sequence[Any]] = OUTCOMES) -> bytes:
    """The file of such a run."""
    columns = {"due_ns": 0, "lag_ns": 1, "latency_ns": 2, "outcome": 3}
    term: Mapping[str, Any] = {
        **{
            name: b"".join(call[place].to_bytes(8, "little", signed=True) for call in calls)
            for name, place in columns.items()
        },
        "outcomes": [list(outcome) for outcome in outcomes],
        "before": [{"batches": 1}, None],
        "after": [{"batches": 3}, None],
        "beam": BEAM,
    }
    return etf.encode(term)


def plan_of(calls: Sequence[Call], asks: Sequence[str] = ("recommend",)) -> Plan:
    """The plan of such a run, with one request for each of `asks`."""
    return Plan([Worker(["worker"])], [(op, {"user": 1}) for op in asks], array("q", [call.due for call in calls]))
