"""The conversation with a BEAM, by a program that only says its lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench.beam.drive import Tick, drive
from port_worker.bench.beam.samples import Samples
from port_worker.bench.beam.toolchain import BeamError
from port_worker.host import WorkerGone
from tests.bench.beam_runs import MS, Call, plan_of, result
from tests.peers.stubs import ROOT

CALLS = [Call(0, 5, 2 * MS)]
RESULT = result(CALLS).hex()


def fake(**faults: Any) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "peers" / "fake_beam.py"), json.dumps(faults)]


def driven(argv: list[str], **listeners: Any) -> Samples:
    return drive(argv, plan_of(CALLS), **listeners)


def test_a_run_is_told_to_go_when_its_workers_are_ready() -> None:
    ready: list[tuple[int, ...]] = []
    assert driven(fake(result=RESULT), on_ready=ready.append).latency_ns.tolist() == [2 * MS]
    assert ready == [(11, 0)]


def test_how_far_it_is_is_passed_on_and_other_words_are_not() -> None:
    ticks: list[Tick] = []
    lines = ["tick 1001 200 198 1 11 0", "", "a library says hello", "tick 2002 400 399 1 11 12", "done"]
    driven(fake(result=RESULT, after=lines), on_tick=ticks.append)
    assert ticks == [Tick(1.001, 200, 198, 1, (11, 0)), Tick(2.002, 400, 399, 1, (11, 12))]


def test_a_worker_that_does_not_start_is_said_as_such() -> None:
    with pytest.raises(WorkerGone, match=r"^the worker exited before it said hello$"):
        driven(fake(failed="the worker exited before it said hello", status=3))


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"status": 1, "stderr": "boom", "result": RESULT}, "ended with status 1: boom"),
        ({"unready": True, "status": 2}, "ended with status 2: it said nothing"),
        ({"result": RESULT, "after": []}, "ended with status 0"),
        ({}, "left no result"),
        ({"result": "83ff"}, "left no result"),
        ({"result": result([Call(0)]).hex()[:-20]}, "left no result"),
    ],
)
def test_a_run_that_is_not_done_is_an_error_that_says_why(faults: dict[str, Any], said: str) -> None:
    with pytest.raises(BeamError, match=said):
        driven(fake(**faults))


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BeamError, match=r"cannot start .*nothing: no such file"):
        driven([str(tmp_path / "nothing")])


def test_a_listener_that_gives_up_ends_the_run() -> None:
    def give_up(_pids: tuple[int, ...]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        driven(fake(result=RESULT), on_ready=give_up)
