"""Turns: all get the same users in the same order, and what is made of their times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from port_worker.bench.peers.turns import Figures, Plan, Ratios, figures, ratios, turns
from port_worker.bench.serving.closed_loop import Flow
from port_worker.bench.serving.rounds import Batches, Draw


class Recording:
    """A contender that remembers what it was asked."""

    leaves_out_met = True

    def __init__(self, name: str, order: list[str]) -> None:
        self.asked: list[Batches] = []
        self._name = name
        self._order = order

    def flow(self, batches: Batches) -> Flow:
        self._order.append(self._name)
        self.asked.append(batches)
        return Flow([1.0] * sum(map(len, batches)), 1.0)

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        return [[] for _ in rows]


@pytest.mark.parametrize(("in_flight", "batches", "warm"), [(1, 50, 5), (8, 7, 1), (64, 1, 1)])
def test_all_are_asked_the_same_in_turn(in_flight: int, batches: int, warm: int) -> None:
    order: list[str] = []
    one, other = Recording("one", order), Recording("other", order)
    told: list[str] = []
    plan = Plan(rounds=3, calls=50, in_flight=8)
    found = turns({"one": one, "other": other}, in_flight, Draw(100), plan, told.append)
    assert one.asked == other.asked
    assert [len(asked) for asked in one.asked] == [warm, *[batches] * 3]
    assert {len(batch) for asked in one.asked for batch in asked} == {in_flight}
    assert one.asked[1] != one.asked[2]
    assert order == ["one", "other"] * 4
    assert [len(flows) for flows in found.values()] == [3, 3]
    assert told == [f"{in_flight} in flight, round {number} of 3" for number in (1, 2, 3)]


def test_figures_are_of_all_calls_together() -> None:
    first, second = Flow([float(ms) for ms in range(1, 101)], 2.0), Flow([1000.0] * 100, 3.0)
    assert figures([first]) == Figures(p50_ms=50.0, p99_ms=99.0, per_s=50.0)
    assert figures([first, second]) == Figures(p50_ms=100.0, p99_ms=1000.0, per_s=40.0)


def test_ratios_are_the_medians_of_the_rounds() -> None:
    def flow(ms: float) -> Flow:
        return Flow([ms], ms / 1e3)

    found = ratios([flow(4.0), flow(8.0), flow(50.0)], [flow(2.0), flow(2.0), flow(1.0)])
    assert found == Ratios(p50=4.0, p99=4.0, per_s=0.25)
