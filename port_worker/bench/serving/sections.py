"""The parts of the bench: what each measures, what is asked of it, how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from port_worker.bench.serving import embedding

if TYPE_CHECKING:
    from rich.table import Table

    from port_worker.bench.goals import Goal
    from port_worker.bench.serving.plan import Plan, Tell


@dataclass(frozen=True)
class Section:
    """One part. What `measure` finds is JSON-like; `goals` of None are those that were not measured."""

    measure: Callable[[Plan, Tell], dict[str, Any]]
    goals: Callable[[Mapping[str, Any] | None], list[Goal]]
    tables: Callable[[Mapping[str, Any]], list[Table | str]]


SECTIONS: Mapping[str, Section] = {
    name: Section(room.measure, room.goals, room.tables) for name, room in {"embedding": embedding}.items()
}
