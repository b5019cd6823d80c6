"""The scenarios that were chosen, on an HTTP endpoint of an app that runs already, as one report."""

from __future__ import annotations

import argparse
import datetime
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from port_worker.bench import prepare
from port_worker.bench.fleet import Fleet, Link
from port_worker.bench.http.arguments import HTTP, value, without_secrets
from port_worker.bench.http.driver import OPERATION, Client, HttpDriver
from port_worker.bench.http.faults import Fault
from port_worker.bench.http.probe import first_that_answers
from port_worker.bench.http.target import Target, addresses_of, target_of
from port_worker.bench.judged import Judged, judge, report_of, run_scenario
from port_worker.bench.live import Live
from port_worker.bench.plan import Options, World, is_drawn
from port_worker.bench.progress import say
from port_worker.bench.resolved import Chosen
from port_worker.bench.scenarios.bench import Bench
from port_worker.bench.scenarios.catalogue import SCENARIOS
from port_worker.sources.errors import SourceError

_UNKNOWN = dict.fromkeys(("workers", "n", "codec"))
"""Options that are a worker's."""


def run(args: argparse.Namespace, home: Path, argv: Sequence[str], chosen: Sequence[Chosen]) -> dict[str, Any]:
    """The report. Raises NoAppError where no app answers; ValueError, OSError for what cannot be asked."""
    began = datetime.datetime.now(datetime.timezone.utc)
    target = target_of(args.url, args.header or ())
    addresses = addresses_of(target, allow_remote=bool(args.allow_remote))
    worlds = [_world(args, home, target, one.options) for one in chosen]
    timeout_ms = value(args, "timeout_ms")
    client = Client(
        target,
        first_that_answers(target.url, addresses, target.request(worlds[0].users[0]), timeout_ms),
        value(args, "connections"),
        timeout_ms,
        args.pid or (),
        Fault(args.fault, args.fault_every) if args.fault else None,
    )
    judged = [_judged(client, one, world) for one, world in zip(chosen, worlds, strict=True)]
    app = {"version": None, "python": None, "model": None, "url": target.url}
    return report_of(without_secrets(argv), began, app, judged)


def _world(args: argparse.Namespace, home: Path, target: Target, options: Options) -> World:
    """Whom to ask about: those that a worker of that home would know, or those of a file."""
    if not target.asks_about_users:
        return World([""], [])
    if not is_drawn(options.users):
        return World(prepare.listed_users(Path(options.users), None), [])
    try:
        return World(prepare.known_users(home, args.source, options.known_users), [])
    except SourceError as error:
        expected = "a file with the ids of the app's users, or --home or --source that has them"
        raise ValueError(f"argument --users: expected {expected}: {error}") from None


def _judged(client: Client, chosen: Chosen, world: World) -> Judged:
    say(f"scenario {chosen.name}: {SCENARIOS[chosen.name].about}")
    live = Live()
    live.title = chosen.name
    bench = Bench(
        options=replace(chosen.options, mix={OPERATION: 1.0}),
        own=chosen.own,
        world=world,
        driver=HttpDriver(client, live),
        fleet=Fleet([]),
        objectives=chosen.objectives,
        spawn=_spawn,
        tell=say,
    )
    found = run_scenario(chosen.name, bench)
    known = len(set(world.users)) if client.target.asks_about_users else 0
    told = {**bench.options.facts(), **_UNKNOWN, **chosen.own, **_facts(client), "known_users": known}
    return judge(chosen, HTTP, found, told)


def _facts(client: Client) -> dict[str, Any]:
    """The client's options, as a report has them."""
    facts = {"url": client.target.url, "connections": client.connections, "timeout_ms": client.timeout_ms}
    fault = client.fault
    return facts if fault is None else {**facts, "fault": shlex.join(fault.command), "fault_every_s": fault.every_s}


def _spawn() -> Link:
    raise AssertionError("an app's workers are its own to start")
