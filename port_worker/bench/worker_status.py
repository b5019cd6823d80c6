"""What a worker says of itself, and what of it belongs to a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from port_worker.bench.fleet import Link
from port_worker.host import HostError

_LIMIT_S = 10.0
_MEANS = ("queue_ms_mean", "service_ms_mean")
_MAXIMA = ("batch_max", "queue_ms_max", "service_ms_max")


def status_of(link: Link | None) -> dict[str, Any] | None:
    """The worker's answer to `status`, with nothing else in flight; None when it does not give one."""
    if link is None:
        return None
    try:
        status = link.call("status", timeout=_LIMIT_S)
    except HostError:
        return None
    return status if isinstance(status, dict) else None


def between(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of the `recommend` calls between two looks: batches, how many a batch had, how long calls waited and took.

    The worker tells means since its start, of which the difference can be taken; its maxima are since its start (of
    another process than before: all of it). What it does not tell is None.
    """
    if after is None or "batches" not in after:
        return dict.fromkeys(("batches", "batch_mean", *_MEANS, *_MAXIMA))
    first = before if before is not None and before.get("os_pid") == after.get("os_pid") else {}
    batches = after["batches"] - first.get("batches", 0)
    calls = _calls(after) - _calls(first)
    found: dict[str, Any] = {"batches": batches, "batch_mean": calls / batches if batches else 0.0}
    for name in _MEANS:
        total = after[name] * _calls(after) - first.get(name, 0.0) * _calls(first)
        found[name] = total / calls if calls > 0.5 else 0.0
    return found | {name: after.get(name) for name in _MAXIMA}


def _calls(status: Mapping[str, Any]) -> float:
    """How many calls its batches had."""
    return float(status.get("batches", 0) * status.get("batch_mean", 0.0))
