"""A run of the codec's bench as numbers: what `--json` writes and the tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from port_worker.bench.codec.goals import of_echo, of_hostile, of_times
from port_worker.bench.codec.hostile import LIMIT_BYTES, LIMIT_MS, PERMITTED_MS
from port_worker.bench.codec.peers import OURS
from port_worker.bench.codec.timing import Quartiles, Samples, ratios
from port_worker.bench.goals import are_met
from port_worker.bench.machine import machine

if TYPE_CHECKING:
    from port_worker.bench.codec.hostile import Cost
    from port_worker.bench.codec.through_port import Flow


def summarize(
    samples: Samples | None, costs: Sequence[Cost] | None, flows: Mapping[str, Sequence[Flow]] | None
) -> dict[str, Any]:
    """The summary, JSON-like; what was not measured is None.

    `times` by row: `us`, each peer's quartiles in microseconds, and `ratios`, each peer's time over ours. `hostile`:
    the cost of each case and what it breaches. `echo` by peer: its flows.
    """
    found = None if samples is None else {case: ratios(peers, OURS) for case, peers in samples.items()}
    goals = [*of_times(found), of_echo(flows), of_hostile(costs)]
    return {
        "times": None if samples is None or found is None else _times(samples, found),
        "echo": None if flows is None else {peer: [asdict(one) for one in each] for peer, each in flows.items()},
        "hostile": None if costs is None else [asdict(cost) | {"breaches": cost.breaches} for cost in costs],
        "limits": {"hostile_ms": LIMIT_MS, "permitted_ms": PERMITTED_MS, "hostile_bytes": LIMIT_BYTES},
        "goals": [asdict(goal) for goal in goals],
        "goals_met": are_met(goals),
        "machine": machine(),
    }


def _times(samples: Samples, found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {
        case: {
            "us": {peer: asdict(Quartiles.of(values)) for peer, values in peers.items()},
            "ratios": dict(found[case]),
        }
        for case, peers in samples.items()
    }
