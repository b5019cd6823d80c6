"""A scenario that has run: as a report has it, and the verdicts on it; and the report of several."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any, TypeAlias

from port_worker.bench.machine import machine
from port_worker.bench.phases import measured_facts, phase_facts
from port_worker.bench.report_file import SCHEMA
from port_worker.bench.resolved import Chosen
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.slo import observed

PYTHON = "python"

Judged: TypeAlias = "tuple[dict[str, Any], list[dict[str, Any]]]"
"""A scenario of a report, and the verdicts on it."""


def run_scenario(name: str, bench: Bench) -> Found:
    """Run the scenario of that name."""
    found = import_module(f"port_worker.bench.scenarios.{name.replace('-', '_')}").run(bench)
    assert isinstance(found, Found)
    return found


def judge(chosen: Chosen, driver: str, found: Found, options: Mapping[str, Any]) -> Judged:
    """The facts of what was found, with `options` as they are to be told, and the objectives' verdicts."""
    facts = measured_facts(found.measured, closed=chosen.options.closed)
    if found.total is not None:
        facts["total"] = {**phase_facts(found.total), "name": "total"}
    scenario = {
        "name": chosen.name if driver == PYTHON else f"{chosen.name}-{driver}",
        "driver": driver,
        "options": dict(options),
        **facts,
        "findings": {**found.measured.findings, **found.findings},
        "goals": [asdict(goal) for goal in found.goals],
    }
    judged = scenario if found.judged is None else {**scenario, "total": phase_facts(found.judged)}
    verdicts = [{"scenario": scenario["name"], **asdict(one.judge(observed(judged)))} for one in chosen.judged_by]
    return scenario, verdicts


def report_of(
    argv: Sequence[str], began: datetime.datetime, worker: Mapping[str, Any] | None, judged: Iterable[Judged]
) -> dict[str, Any]:
    """The report; `began` in UTC, `worker` as it said who it is."""
    scenarios, verdicts = [], []
    for scenario, found in judged:
        scenarios.append(scenario)
        verdicts += found
    met = all(verdict["met"] for verdict in verdicts)
    reached = all(goal["met"] is not False for scenario in scenarios for goal in scenario["goals"])
    return {
        "schema": SCHEMA,
        "command": list(argv),
        "began": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
        "worker": worker,
        "scenarios": scenarios,
        "slo": verdicts,
        "met": met and reached,
    }
