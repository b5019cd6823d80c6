"""Judges clauses one after the other, so that what one breaks does not show in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from port_worker.conformance.peer import NoHelloError
from port_worker.conformance.process import StartError
from port_worker.conformance.verdicts import FAIL, PASS, SKIPPED, Clause, FailedError, SkippedError, Verdict
from port_worker.conformance.world import Options, Start, World

FIRST = "hello.first"
"""The clause that a worker without hello fails."""

Tick = Callable[[int, Clause], None]


def run(start: Start, clauses: Sequence[Clause], options: Options, tick: Tick) -> list[Verdict]:
    """Judge a worker; `tick` is told of each clause before it is judged, with how many are done.

    Returns the verdicts in the clauses' order. Raises StartError when the command cannot be started, and NoHelloError
    when its first process says no hello.
    """
    world = World(start, options)
    verdicts: dict[str, Verdict] = {}
    try:
        world.peer.forget()  # the first start, whose failure is not a clause's
        for done, clause in enumerate(sorted(clauses, key=lambda each: each.watched)):
            tick(done, clause)
            verdicts[clause.name] = _verdict(world, clause, verdicts)
            if verdicts[clause.name].outcome != PASS:
                world.discard()
    finally:
        world.discard()
    return [verdicts[clause.name] for clause in clauses]


def without_hello(clauses: Sequence[Clause], why: str) -> list[Verdict]:
    """The verdicts on a worker that says no hello."""
    return [
        Verdict(clause, FAIL, why) if clause.name == FIRST else Verdict(clause, SKIPPED, f"no hello: see {FIRST}")
        for clause in clauses
    ]


def _verdict(world: World, clause: Clause, verdicts: dict[str, Verdict]) -> Verdict:
    for name in clause.needs:
        if name in verdicts and verdicts[name].outcome != PASS:
            return Verdict(clause, SKIPPED, f"needs {name}, which did not pass")
    try:
        world.peer.forget()
        clause.judge(world)
    except FailedError as error:
        return Verdict(clause, FAIL, str(error))
    except SkippedError as error:
        return _seen(world, clause, Verdict(clause, SKIPPED, str(error)))
    except (NoHelloError, StartError) as error:
        return Verdict(clause, FAIL, f"expected a worker as before, got none: {error}")
    except Exception as error:  # noqa: BLE001  a worker's odd answer is its failure, never the kit's
        return Verdict(clause, FAIL, f"expected answers of the stated shape, got one that ends in {error!r}")
    return _seen(world, clause, Verdict(clause, PASS))


def _seen(world: World, clause: Clause, otherwise: Verdict) -> Verdict:
    """What was seen anywhere against the rule of a watched clause."""
    against = world.watch.against.get(clause.name)
    return Verdict(clause, FAIL, f"expected {against[0]}") if against else otherwise
