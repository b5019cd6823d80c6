"""Hostile frames: each is refused or accepted as stated, and what it costs is judged."""

from __future__ import annotations

import zlib

import pytest

from port_worker.bench.codec.hostile import (
    LIMIT_BYTES,
    LIMIT_MS,
    PERMITTED_MS,
    Cost,
    Hostile,
    bomb,
    colliding_floats,
    hostile_cases,
    measure,
)
from port_worker.bench.codec.intake import ACCEPTED, INCOMPLETE, READ_BYTES, Intake
from protocol.framing import frame
from protocol.messages import Call, to_payload

CASES = {case.name: case for case in hostile_cases()}
OUTCOMES = {ACCEPTED, INCOMPLETE, "malformed_term", "malformed_message", "frame_too_large"}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_it_is_what_is_stated(name: str) -> None:
    intake, data = Intake(), CASES[name].make()
    for start in range(0, len(data), READ_BYTES):
        if intake.outcome == INCOMPLETE:
            intake.take(data[start : start + READ_BYTES])
    assert intake.outcome == CASES[name].outcome


def test_every_kind_of_outcome_is_among_them() -> None:
    assert {case.outcome for case in CASES.values()} == OUTCOMES


def test_what_is_built_whole_before_it_is_judged_has_more_time() -> None:
    assert {case.limit_ms for case in CASES.values() if case.outcome == "malformed_term"} == {LIMIT_MS}
    assert {case.limit_ms for case in CASES.values() if case.outcome in (ACCEPTED, "malformed_message")} == {
        PERMITTED_MS
    }


def test_the_bomb_is_one() -> None:
    assert zlib.decompress(bomb(5 * 2**20)) == bytes(5 * 2**20)
    assert len(bomb(2**30)) < 2**21


def test_the_floats_collide() -> None:
    floats = colliding_floats()
    assert len(set(floats)) == len(floats) > 30
    assert {hash(value) for value in floats} == {1}


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (Call(1, "recommend", {"user": "ada"}), ACCEPTED),
        (Call(1, "recommend", {}), "missing_argument"),
        (Call(1, "recommend", {"user": "ada", "n": 0}), "invalid_argument"),
        (Call(1, "dance", {}), "unknown_op"),
    ],
)
def test_the_way_in_ends_behind_the_arguments(call: Call, outcome: str) -> None:
    intake = Intake()
    intake.take(frame(to_payload(call)))
    assert intake.outcome == outcome


def test_a_case_is_measured_in_a_process_of_its_own() -> None:
    cost = measure(CASES["a bignum of 1 MB"], passes=3)
    assert (cost.name, cost.outcome, cost.expected) == ("a bignum of 1 MB", "malformed_term", "malformed_term")
    assert cost.wall_ms > 0
    assert 2**20 <= cost.traced_bytes < LIMIT_BYTES  # at least the frame itself
    assert 2**20 <= cost.peak_bytes < LIMIT_BYTES


def test_a_process_that_fails_is_named() -> None:
    broken = Hostile("one that is shorter than it says", lambda: Short(b"abc"), "malformed_term")
    with pytest.raises(
        RuntimeError, match="one that is shorter than it says: the process that took it ended with status 1"
    ):
        measure(broken)


class Short(bytes):
    """Bytes of which one more is promised than there are."""

    def __len__(self) -> int:
        return super().__len__() + 1


def cost(outcome: str = ACCEPTED, wall_ms: float = 1.0, cpu_ms: float = 1.0, rss: int = 0, traced: int = 0) -> Cost:
    return Cost("a case", outcome, ACCEPTED, LIMIT_MS, wall_ms, cpu_ms, rss, traced)


@pytest.mark.parametrize(
    ("cost", "breaches"),
    [
        (cost(), []),
        (cost(wall_ms=LIMIT_MS, cpu_ms=LIMIT_MS, rss=LIMIT_BYTES, traced=LIMIT_BYTES), []),
        (cost(wall_ms=500.0, cpu_ms=49.0), []),
        (cost(wall_ms=50.1, cpu_ms=50.1), ["time"]),
        (cost(rss=LIMIT_BYTES + 1), ["memory"]),
        (cost(traced=LIMIT_BYTES + 1), ["memory"]),
        (cost("malformed_term", 51.0, 51.0, LIMIT_BYTES + 1), ["outcome", "time", "memory"]),
    ],
)
def test_what_is_over_a_limit_breaches(cost: Cost, breaches: list[str]) -> None:
    assert cost.breaches == breaches
