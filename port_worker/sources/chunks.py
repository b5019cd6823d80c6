"""From rows in chunks to checked columns: the part of reading that all sources share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import errors
from port_worker.sources.base import Progress
from port_worker.sources.columns import IdColumn, Interactions, Rule, Rules
from port_worker.sources.encoding import AnyIds, IdEncoder
from port_worker.sources.growing import GrowingArray

Choose = Callable[[IdColumn], "NDArray[np.bool_] | slice"]
"""From the column of items to the rows that are wanted: a mask, or all of them."""

CHUNK_ROWS = 8192  # enough to make the cost of a chunk small, few enough that its Python objects are

Columns = tuple[Sequence[Any], Sequence[Any], Sequence[Any], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Rows as columns of values: users, items, weights or kinds, times, and the place of each row to name it by.

    `refused` has an error for each row that could not be taken apart into columns; those are not among the values.
    """

    columns: Columns
    places: Sequence[errors.Place]
    refused: Sequence[errors.SourceError] = ()


@dataclass(frozen=True)
class Expected:
    """How rows are judged: by whose names, by which rules, and what share of them may be malformed.

    `names` are the source's own for the columns. Where `id_rules` is None, the first id of each column decides.
    """

    about: errors.About
    names: tuple[str, str, str, str]
    rules: Rules
    malformed: float = 0.0
    id_rules: tuple[Rule, Rule] | None = None


class Collector:
    """Joins rows to columns, in the order in which they come; malformed ones are left out, or refused."""

    def __init__(self, expected: Expected, progress: Progress | None = None) -> None:
        self._expected = expected
        self._progress = progress
        self._rules: list[Rule] = []
        self._ids = IdEncoder(), IdEncoder()
        self._weights, self._times = GrowingArray(np.float32), GrowingArray(np.int64)
        self._first: errors.SourceError | None = None
        self.rows = 0
        """How many were added, malformed ones included."""
        self.skipped = 0

    def add(self, chunk: Chunk) -> None:
        """Check and append. Raises SourceError `source_invalid_row` for a malformed row where none may be."""
        for error in chunk.refused:
            self._skip(error)
        if chunk.places:
            self._rules = self._rules or self._rules_for(chunk)
            users, items, weights, times = self._converted(chunk)
            self._append(users, items, weights, times)
        self._count(len(chunk.places) + len(chunk.refused))

    def add_checked(self, users: AnyIds, items: AnyIds, weights: NDArray[np.float32], times: NDArray[np.int64]) -> None:
        """Append rows that keep every rule."""
        self._append(users, items, weights, times)
        self._count(len(times))

    def interactions(self, choose: Choose | None = None) -> Interactions:
        """What was added, or of it what `choose` says; the collector is empty afterwards.

        One column after another is made and cut, so that there are never two copies of all of them. Raises SourceError
        `source_empty` if there is nothing, `source_invalid_row` if too much was malformed, and what `choose` raises.
        """
        if self._first is not None and self.skipped > self._expected.malformed * self.rows:
            raise errors.too_many_malformed(self._first, self.skipped, self.rows, self._expected.malformed)
        if self.rows == self.skipped:
            raise errors.empty(self._expected.about, "it holds no interactions")
        items = self._ids[1].column()
        rows = slice(None) if choose is None else choose(items)
        items = items if isinstance(rows, slice) else items.at(rows)
        users = self._ids[0].column()
        users = users if isinstance(rows, slice) else users.at(rows)
        return Interactions(users, items, self._weights.taken()[rows], self._times.taken()[rows], self.skipped)

    def _append(self, users: AnyIds, items: AnyIds, weights: NDArray[np.float32], times: NDArray[np.int64]) -> None:
        if len(times):
            self._ids[0].add(users)
            self._ids[1].add(items)
            self._weights.append(weights)
            self._times.append(times)

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self._progress is not None:
            self._progress(self.rows)

    def _skip(self, error: errors.SourceError) -> None:
        if not self._expected.malformed:
            raise error
        self._first = self._first or error
        self.skipped += 1

    def _rules_for(self, chunk: Chunk) -> list[Rule]:
        rules = self._expected.rules
        users, items = self._expected.id_rules or (id_rule(rules, column) for column in chunk.columns[:2])
        return [users, items, rules.weight, rules.time]

    def _converted(self, chunk: Chunk) -> list[NDArray[Any]]:
        try:
            return [rule.convert(values) for rule, values in zip(self._rules, chunk.columns, strict=True)]
        except (ValueError, TypeError, OverflowError):
            return self._without_malformed(chunk)

    def _without_malformed(self, chunk: Chunk) -> list[NDArray[Any]]:
        good = [row for row in range(len(chunk.places)) if self._judge(chunk, row)]
        columns = ([values[row] for row in good] for values in chunk.columns)
        return [rule.convert(values) for rule, values in zip(self._rules, columns, strict=True)]

    def _judge(self, chunk: Chunk, row: int) -> bool:
        for rule, name, values in zip(self._rules, self._expected.names, chunk.columns, strict=True):
            if not rule.accepts(values[row]):
                place = chunk.places[row]
                self._skip(errors.invalid_row(self._expected.about, place, name, rule.expected, values[row]))
                return False
        return True


def read_chunks(expected: Expected, chunks: Iterable[Chunk], progress: Progress | None) -> Interactions:
    """Check and join chunks. Raises as Collector does."""
    collector = Collector(expected, progress)
    for chunk in chunks:
        collector.add(chunk)
    return collector.interactions()


def id_rule(rules: Rules, values: Sequence[Any]) -> Rule:
    """Decided by the first value that may be an id at all; by the first of all if none may."""
    usable = (value for value in values if rules.integer_id.accepts(value) or rules.text_id.accepts(value))
    return rules.id_rule(next(usable, values[0]))
