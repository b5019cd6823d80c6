"""What the codec has to reach, and whether a run found that it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from port_worker.bench.codec.cases import MANY as MANY_PAIRS
from port_worker.bench.codec.cases import REPLY, REQUEST
from port_worker.bench.codec.peers import ERLANG_PY, OURS
from port_worker.bench.codec.through_port import MANY
from port_worker.bench.goals import Goal, at_least, unmeasured

if TYPE_CHECKING:
    from port_worker.bench.codec.hostile import Cost
    from port_worker.bench.codec.through_port import Flow

TIMES: Mapping[str, float] = {REQUEST: 3.0, REPLY: 4.0, MANY_PAIRS: 300.0}
"""By row, how many times longer erlang-py has to take at least."""

ECHO_TIMES = 3.0
"""How many times more messages a second than erlang-py, with 64 in flight."""


def of_times(ratios: Mapping[str, Mapping[str, float]] | None) -> list[Goal]:
    """The goals of single operations, from each row's ratios of the peers to ours; None: not measured."""
    return [
        at_least(
            f"{name}: at least {least:g} times as fast as erlang-py",
            None if ratios is None else ratios[name][ERLANG_PY],
            least,
        )
        for name, least in TIMES.items()
    ]


def of_echo(flows: Mapping[str, Sequence[Flow]] | None) -> Goal:
    """The goal of the echo through a Port; None: not measured."""
    text = f"echo through a Port, {MANY} in flight: at least {ECHO_TIMES:g} times erlang-py's messages a second"
    return at_least(text, None if flows is None else _times_with_many(flows[OURS]), ECHO_TIMES)


def of_hostile(costs: Sequence[Cost] | None) -> Goal:
    """The goal of hostile frames: none over its limits; None: not measured."""
    text = "hostile frames: each within its limits of time and memory, and refused as stated"
    if costs is None:
        return unmeasured(text)
    over = sum(bool(cost.breaches) for cost in costs)
    return Goal(text, f"{over} of {len(costs)} breach", over == 0)


def _times_with_many(flows: Sequence[Flow]) -> float:
    return next(flow.times for flow in flows if flow.in_flight == MANY)
