"""The goals, judged from made-up numbers."""

from __future__ import annotations

import pytest

from port_worker.bench.codec.cases import MANY as MANY_PAIRS
from port_worker.bench.codec.cases import REPLY, REQUEST
from port_worker.bench.codec.goals import of_echo, of_hostile, of_times
from port_worker.bench.codec.hostile import Cost
from port_worker.bench.codec.peers import ERLANG_PY, OURS
from port_worker.bench.codec.through_port import ALONE, MANY, Flow, Round, flow
from port_worker.bench.goals import Goal, are_met


@pytest.mark.parametrize(
    ("request_", "reply", "many", "met"),
    [
        (3.0, 4.0, 300.0, [True, True, True]),
        (2.99, 4.0, 300.0, [False, True, True]),
        (30.0, 3.99, 3000.0, [True, False, True]),
        (3.0, 4.0, 299.9, [True, True, False]),
    ],
)
def test_times_are_judged_each_by_its_own_bound(request_: float, reply: float, many: float, met: list[bool]) -> None:
    found = {REQUEST: {ERLANG_PY: request_}, REPLY: {ERLANG_PY: reply}, MANY_PAIRS: {ERLANG_PY: many}}
    goals = of_times(found)
    assert [goal.met for goal in goals] == met
    assert goals[0].observed == f"{request_:.2f} times"


@pytest.mark.parametrize(("times", "met"), [(3.0, True), (2.99, False)])
def test_the_echo_is_judged_by_the_rate_with_many_in_flight(times: float, met: bool) -> None:
    flows = {
        OURS: [Flow(ALONE, 900.0, 9.0, 1.0), Flow(MANY, 900.0, times, 1.0)],
        ERLANG_PY: [Flow(ALONE, 100.0, 1.0, 1.0), Flow(MANY, 100.0, 1.0, 1.0)],
    }
    assert of_echo(flows).met is met


def test_the_hostile_frames_are_judged_together() -> None:
    good = Cost("good", "accepted", "accepted", 50.0, 1.0, 1.0, 0, 0)
    slow = Cost("slow", "accepted", "accepted", 50.0, 51.0, 51.0, 0, 0)
    assert of_hostile([good, good]).met
    assert of_hostile([good, slow]) == Goal(of_hostile([]).text, "1 of 2 breach", met=False)


def test_what_was_not_measured_breaches_nothing() -> None:
    goals = [*of_times(None), of_echo(None), of_hostile(None)]
    assert [(goal.observed, goal.met) for goal in goals] == [("not measured", None)] * 5
    assert are_met(goals)
    assert not are_met([*goals, Goal("one", "2 times", met=False)])
    assert are_met([*goals, Goal("one", "4 times", met=True)])


def test_a_flow_is_the_median_of_its_rounds_each_beside_erlang_py_s() -> None:
    """A machine that is half as fast from the second round on changes the rate, not the times."""
    ours = [Round(OURS, messages, 1_000_000, half_ns) for messages, half_ns in ((600, 9000), (300, 5000), (330, 4000))]
    base = [Round(ERLANG_PY, messages, 1_000_000, 1) for messages in (200, 100, 100)]
    assert flow(MANY, ours, base) == Flow(MANY, messages_per_s=330.0, times=3.0, p50_us=5.0)
