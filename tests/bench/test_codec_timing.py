"""Samples by a clock that only the operations move, and what is made of them."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from port_worker.bench.codec.timing import Operation, Quartiles, measure, ratios

MS = 1_000_000


class Machine:
    """A clock, and operations that take what they are told to; `order` is who ran."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []

    def clock(self) -> int:
        return self.now

    def operation(self, name: str, takes_ns: int) -> Operation:
        def work(argument: Any) -> None:
            self.now += takes_ns
            self.order.append(name)

        return Operation(work, None, lambda result: result, None)


def test_each_operation_takes_what_it_takes_and_fills_its_sample() -> None:
    machine = Machine()
    peers = {"ours": machine.operation("a", MS // 1000), "other": machine.operation("b", 3 * MS)}
    samples = measure({"case": peers}, rounds=3, sample_ms=6.0, clock=machine.clock)
    assert samples == {"case": {"ours": [1.0] * 3, "other": [3000.0] * 3}}
    assert machine.order[-6002:] == ["a"] * 6000 + ["b"] * 2


def test_rounds_are_interleaved() -> None:
    machine = Machine()
    one, two = ({peer: machine.operation(case + peer, 9 * MS) for peer in "xy"} for case in "AB")
    measure({"A": one, "B": two}, rounds=2, sample_ms=9.0, clock=machine.clock)
    assert machine.order[-8:] == ["Ax", "Ay", "Bx", "By"] * 2


def test_the_collector_is_as_it_was_afterwards() -> None:
    machine = Machine()
    measure({"case": {"ours": machine.operation("a", MS)}}, rounds=1, sample_ms=1.0, clock=machine.clock)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_ratio_is_of_what_ran_in_the_same_round() -> None:
    """A machine that turns twice as slow after the second round changes no ratio."""
    samples = {"ours": [1.0, 1.0, 2.0, 2.0], "slow": [3.0, 3.1, 6.0, 6.2], "fast": [0.5, 0.5, 1.0, 1.0]}
    assert ratios(samples, "ours") == {"slow": pytest.approx(3.05), "fast": 0.5}


def test_quartiles() -> None:
    assert Quartiles.of([4.0, 1.0, 3.0, 2.0]) == Quartiles(median=2.5, p25=1.0, p75=3.0)
    assert Quartiles.of([5.0]) == Quartiles(5.0, 5.0, 5.0)
