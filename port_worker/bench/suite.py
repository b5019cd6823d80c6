"""One scenario, or all of them, on workers that are started for each, as one report."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from port_worker.bench import prepare
from port_worker.bench.driving import Driver, PythonDriver
from port_worker.bench.fleet import Fleet, Link
from port_worker.bench.judged import PYTHON, Judged, judge, report_of, run_scenario
from port_worker.bench.live import Live
from port_worker.bench.plan import Options, World
from port_worker.bench.progress import say
from port_worker.bench.resolved import Chosen
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.scenarios.catalogue import SCENARIOS
from port_worker.bench.worker_status import status_of
from protocol.codec import codec


class Suite:
    """Runs what was chosen, one after the other.

    Args:
        args: of the command line.
        home: where data and models live.
        argv: as typed.
    """

    def __init__(self, args: argparse.Namespace, home: Path, argv: Sequence[str]) -> None:
        self._args = args
        self._home = home
        self._argv = list(argv)
        self._live = Live()
        self._worker: dict[str, Any] | None = None
        self._world: World | None = None

    def run(self, chosen: Sequence[Chosen]) -> dict[str, Any]:
        """The report. Raises HostError when there is no worker, SourceError, OSError, ValueError."""
        began = datetime.datetime.now(datetime.timezone.utc)
        judged = [found for one in chosen for found in self._by_drivers(one)]
        return report_of(self._argv, began, self._worker, judged)

    def _by_drivers(self, chosen: Chosen) -> Iterator[Judged]:
        """The scenario; one that a BEAM drives runs from Python first, so that what the BEAM costs is seen."""
        say(f"scenario {chosen.name}: {SCENARIOS[chosen.name].about}")
        self._live.title = chosen.name
        from_python = self._scenario(chosen, PYTHON, self._python_driver)
        yield from_python
        if self._args.driver != PYTHON:
            from port_worker.bench.beam.driver import ElixirDriver
            from port_worker.bench.beam.overhead import beam_findings

            driver = ElixirDriver(self._command(chosen.options.codec), self._home / "bench", self._live)
            facts, verdicts = self._scenario(chosen, self._args.driver, lambda _fleet: driver)
            assert driver.beam is not None
            facts["findings"] |= beam_findings(from_python[0]["total"], facts["total"], driver.beam)
            yield facts, verdicts

    def _scenario(self, chosen: Chosen, driver: str, made: Callable[[Fleet], Driver]) -> Judged:
        options = chosen.options
        supervised = chosen.name == "kill"
        argv = self._command(options.codec)
        with prepare.start_fleet(argv, options.codec, options.workers, supervised=supervised) as fleet:
            self._prepare(fleet, options)
            found = self._found(chosen, fleet, made(fleet))
        assert self._world is not None
        known_users = len(set(self._world.users))  # there may be fewer than were asked for
        return judge(chosen, driver, found, {**options.facts(), **chosen.own, "known_users": known_users})

    def _prepare(self, fleet: Fleet, options: Options) -> None:
        """A model, whom to ask about, and who is measured: as the first worker has it."""
        first = fleet.link(0)
        assert first is not None
        foreign = self._args.command is not None
        if not foreign or self._args.algorithm is not None:
            prepare.ensure_model(first, self._args.algorithm)
        if self._worker is None:
            self._worker = _worker(first)
        items = bool({"similar", "score"} & set(options.mix))
        self._world = prepare.world(
            first,
            self._home,
            self._args.source,
            options.users,
            options.known_users,
            items=items,
            foreign=foreign,
        )

    def _found(self, chosen: Chosen, fleet: Fleet, driver: Driver) -> Found:
        assert self._world is not None
        bench = Bench(
            options=chosen.options,
            own=chosen.own,
            world=self._world,
            driver=driver,
            fleet=fleet,
            objectives=chosen.objectives,
            spawn=lambda: self._spawn(chosen.options.codec),
            tell=say,
        )
        return run_scenario(chosen.name, bench)

    def _python_driver(self, fleet: Fleet) -> Driver:
        return PythonDriver(fleet, self._live)

    def _spawn(self, name: str) -> Link:
        return Link.spawn(self._command(name), codec=codec(name))

    def _command(self, name: str) -> list[str]:
        """Of a worker that speaks a codec."""
        typed: list[str] | None = self._args.command
        return prepare.command(self._home, self._args.source, name) if typed is None else typed


def _worker(link: Link) -> dict[str, Any]:
    about = link.hello.get("worker", {})
    status = status_of(link) or {}
    model = status.get("model", link.hello.get("model"))
    return {"version": about.get("version"), "python": about.get("python"), "model": model}
