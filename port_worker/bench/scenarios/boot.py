"""From the spawn of a worker to its hello and to its first answer, many times, one worker after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from port_worker.bench.goals import at_most
from port_worker.bench.histogram import histogram_of, latency_ms
from port_worker.bench.measured import DriverLoad, Measured, MeasuredPhase
from port_worker.bench.recording import Cell
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.host import HostError, WorkerError

_ANSWER_MS = 1000.0
_LIMIT_S = 60.0
_HELLO, _ANSWER = "spawn to hello", "spawn to first answer"


def run(bench: Bench) -> Found:
    """Spawn, ask about one user, end."""
    hello, answer = Cell(), Cell()
    began_s = time.monotonic()
    for place in range(bench.own["count"]):
        bench.tell(f"spawn {place + 1} of {bench.own['count']}")
        user = bench.world.users[place % len(bench.world.users)]
        _boot(bench, {"user": user, "n": bench.options.n}, hello, answer)
    seconds = time.monotonic() - began_s
    phases = [MeasuredPhase(name, seconds, seconds, {"boot": cell}) for name, cell in _named(hello, answer)]
    slowest = max(answer.corrected) / 1e3 if answer.corrected else None
    goals = [
        at_most(f"the first answer within {_ANSWER_MS:g} ms of the spawn", slowest, _ANSWER_MS, "{:.0f} ms"),
        at_most("every worker starts and answers", float(answer.failed), 0.0, "{:.0f} failed"),
    ]
    measured = Measured(began_s, phases, [], [], DriverLoad({}, 0.0), [])
    return Found(measured, {"spawns": answer.offered, **_findings(phases)}, goals, total=phases[-1])


def _named(hello: Cell, answer: Cell) -> Sequence[tuple[str, Cell]]:
    return ((_HELLO, hello), (_ANSWER, answer))


def _boot(bench: Bench, args: dict[str, Any], hello: Cell, answer: Cell) -> None:
    """One more spawn in each of the cells."""
    began = time.perf_counter()
    hello.offered += 1
    answer.offered += 1
    try:
        with closing(bench.spawn()) as link:
            link.await_hello(_LIMIT_S)
            _took(hello, began)
            link.call("recommend", args, timeout=_LIMIT_S)
            _took(answer, began)
    except HostError as error:
        for cell in (hello, answer):
            if cell.failed > sum(cell.errors.values()):
                cell.errors[_code(error)] += 1


def _took(cell: Cell, began: float) -> None:
    us = round((time.perf_counter() - began) * 1e6)
    cell.answered(us, us, None)


def _code(error: HostError) -> str:
    return error.code if isinstance(error, WorkerError) else "worker_gone"


def _findings(phases: Sequence[MeasuredPhase]) -> dict[str, Any]:
    latencies = {phase.name: phase.total.corrected for phase in phases}
    hello, answer = (latency_ms(histogram_of(counts), counts) for counts in latencies.values())
    return {"hello_ms": hello, "first_answer_ms": answer}
