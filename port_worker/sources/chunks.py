"""From rows in chunks to checked columns: the part of reading that all sources share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import errors
from port_worker.sources.base import Progress
from port_worker.sources.columns import Interactions, Rule, Rules

CHUNK_ROWS = 8192  # enough to make the cost of a chunk small, few enough that its Python objects are


@dataclass(frozen=True, eq=False)
class Chunk:
    """At least one row, as columns of values: users, items, weights, times, and the place of each row to name it by."""

    columns: tuple[list[Any], list[Any], list[Any], list[Any]]
    places: Sequence[errors.Place]


def read_chunks(
    path: Path, names: tuple[str, str, str, str], chunks: Iterable[Chunk], rules: Rules, progress: Progress | None
) -> Interactions:
    """Check and join chunks; `names` are the source's own for the columns, and the first row decides the id types.

    Raises SourceError `source_invalid_row` for the first chunk that breaks a rule, `source_empty` if there is no chunk.
    """
    parts: list[list[NDArray[Any]]] = []
    column_rules: list[Rule] = []
    rows = 0
    for chunk in chunks:
        column_rules = column_rules or _rules_for(chunk, rules)
        parts.append(_convert(path, names, column_rules, chunk))
        rows += len(chunk.places)
        if progress is not None:
            progress(rows)
    if not parts:
        raise errors.empty(path, "it holds no interactions")
    users, items, weights, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Interactions(users, items, weights, times)


def _rules_for(chunk: Chunk, rules: Rules) -> list[Rule]:
    users, items = (rules.id_rule(column[0]) for column in chunk.columns[:2])
    return [users, items, rules.weight, rules.time]


def _convert(path: Path, names: tuple[str, ...], rules: list[Rule], chunk: Chunk) -> list[NDArray[Any]]:
    try:
        return [rule.convert(values) for rule, values in zip(rules, chunk.columns, strict=True)]
    except (ValueError, TypeError, OverflowError):
        raise _first_refused(path, names, rules, chunk) from None


def _first_refused(path: Path, names: tuple[str, ...], rules: list[Rule], chunk: Chunk) -> errors.SourceError:
    refused = [
        (index, position)
        for position, (rule, values) in enumerate(zip(rules, chunk.columns, strict=True))
        if (index := rule.first_refused(values)) is not None
    ]
    index, position = min(refused)
    found = chunk.columns[position][index]
    return errors.invalid_row(path, chunk.places[index], names[position], rules[position].expected, found)
