"""A run of the bench of serving: its sections, one after the other, and what `--json` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from port_worker.bench.goals import are_met
from port_worker.bench.serving.machine import described

if TYPE_CHECKING:
    from port_worker.bench.serving.plan import Plan, Tell
    from port_worker.bench.serving.sections import Section


def summarize(sections: Mapping[str, Section], plan: Plan, tell: Tell) -> dict[str, Any]:
    """Measure those sections. The summary is JSON-like: what each found, their goals, the machine.

    Raises NoAnswerError, HostError, OSError.
    """
    found = {name: section.measure(plan, _named(name, tell)) for name, section in sections.items()}
    goals = [goal for name, one in found.items() for goal in sections[name].goals(one)]
    return {
        "sections": found,
        "goals": [asdict(goal) for goal in goals],
        "goals_met": are_met(goals),
        "plan": asdict(plan),
        "machine": described(),
    }


def _named(section: str, tell: Tell) -> Tell:
    return lambda text: tell(f"{section}: {text}")
