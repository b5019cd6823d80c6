"""The parts of the bench: what each measures, what is asked of it, how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from port_worker.bench.serving import approximate, boot, bulk, embedding, networks

if TYPE_CHECKING:
    from rich.table import Table

    from port_worker.bench.goals import Goal
    from port_worker.bench.serving.plan import Plan, Tell


@dataclass(frozen=True)
class Section:
    """One part. What `measure` finds is JSON-like, and what `goals` and `tables` take; it tells of so many `steps`."""

    steps: Callable[[Plan], int]
    measure: Callable[[Plan, Tell], dict[str, Any]]
    goals: Callable[[Mapping[str, Any]], list[Goal]]
    tables: Callable[[Mapping[str, Any]], list[Table | str]]


SECTIONS: Mapping[str, Section] = {
    "embedding": Section(embedding.steps, embedding.measure, embedding.goals, embedding.tables),
    "approximate": Section(approximate.steps, approximate.measure, approximate.goals, approximate.tables),
    "networks": Section(networks.steps, networks.measure, networks.goals, networks.tables),
    "boot": Section(boot.steps, boot.measure, boot.goals, boot.tables),
    "bulk": Section(bulk.steps, bulk.measure, bulk.goals, bulk.tables),
}
