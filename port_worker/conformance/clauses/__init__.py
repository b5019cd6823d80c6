"""The clauses, in the order of SPEC.md."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from port_worker.conformance.clauses import (
    arguments,
    calls,
    ending,
    feeding,
    frames,
    hello,
    limits,
    messages,
    ops,
    order,
    refusals,
    retrain,
    serving,
    switching,
    terms,
)
from port_worker.conformance.verdicts import Clause


def _of(module: ModuleType) -> Iterator[Clause]:
    for value in vars(module).values():
        if isinstance(value, Clause):
            yield value
        elif isinstance(value, tuple):
            yield from (each for each in value if isinstance(each, Clause))


CLAUSES: tuple[Clause, ...] = tuple(
    clause
    for module in (
        hello,
        frames,
        terms,
        limits,
        messages,
        calls,
        ops,
        arguments,
        refusals,
        serving,
        feeding,
        switching,
        retrain,
        ending,
        order,
    )
    for clause in _of(module)
)
"""Every clause; their names differ."""
