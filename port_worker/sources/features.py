"""What is known of users and items besides who met what: kinds, and features to learn from.

A feature is a column of the source, one value for each user or item. Its values decide what it is, because the columns
of a view often have no declared type. NULL and empty text are unknown; of the other values, of those users or items
that are asked for,

- the first is a number: dense. All must be finite numbers.
- the first is text, there are at most MAX_CATEGORIES different values, they are shared by two rows or more on average,
  and none is longer than an id may be: sparse. All must be text.
- otherwise, and if there are none: no feature. So names, links, hashes and prose are no features, and no reason to
  refuse the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import errors
from port_worker.sources.columns import MAX_ID_BYTES, TYPED_RULES, IdArray, Rule, id_of
from port_worker.sources.errors import About

MAX_CATEGORIES = 256  # as many as there are countries; each is a name in the model's manifest
MAX_KINDS = 255  # a kind is one byte, and one of its values says that there is none
NO_KIND = 255
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kind of each item: positions in `names`, or NO_KIND. A source that tells no kinds apart has no names."""

    codes: NDArray[np.uint8]  # (n_items,)
    names: tuple[str, ...]  # at most MAX_KINDS, ascending

    @classmethod
    def none(cls, count: int) -> Kinds:
        """Those of `count` items of which no kind is known."""
        return cls(np.full(count, NO_KIND, dtype=np.uint8), ())


@dataclass(frozen=True, eq=False)
class SparseColumn:
    """A feature that is one of a few names."""

    codes: NDArray[np.int32]  # (n,) positions in `vocabulary`; UNKNOWN
    vocabulary: tuple[str, ...]  # ascending; each occurs in `codes`


@dataclass(frozen=True, eq=False)
class DenseColumn:
    """A feature that is a number."""

    values: NDArray[np.float32]  # (n,) finite; 0 where unknown
    known: NDArray[np.bool_]  # (n,)


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """The features of n users or n items by name, in the source's order. At least one column."""

    sparse: Mapping[str, SparseColumn]
    dense: Mapping[str, DenseColumn]


def kinds_of(about: About, ids: IdArray, values: Sequence[Any]) -> Kinds:
    """Kinds from the column `kind` of the items `ids`. Raises SourceError `source_invalid_row`."""
    column = _sparse(_Column(about, "item", ids, "kind", values))
    if len(column.vocabulary) > MAX_KINDS:
        _, first = np.unique(column.codes[column.codes != UNKNOWN], return_index=True)
        row = int(np.flatnonzero(column.codes != UNKNOWN)[np.sort(first)[MAX_KINDS]])
        expected = f"one of at most {MAX_KINDS} kinds"
        raise errors.invalid_row(about, ("item", id_of(ids[row])), "kind", expected, values[row])
    codes = np.where(column.codes == UNKNOWN, NO_KIND, column.codes).astype(np.uint8)
    return Kinds(codes, column.vocabulary)


def feature_table(about: About, unit: str, ids: IdArray, columns: Mapping[str, Sequence[Any]]) -> FeatureTable | None:
    """Those of `columns` that are features; None if none is. Each has a value for each of `ids`, None if unknown.

    `unit` is what an id names: user or item. Raises SourceError `source_invalid_row` for a value that its column's
    rule refuses.
    """
    sparse, dense = {}, {}
    for name, values in columns.items():
        column = _Column(about, unit, ids, name, values)
        present = column.present
        if present and type(present[0]) in (int, float):
            dense[name] = _dense(column)
        elif present and type(present[0]) is str and _are_categories(present):
            sparse[name] = _sparse(column)
    return FeatureTable(sparse, dense) if sparse or dense else None


class _Column:
    """A column as it was read, and where to find its values again."""

    def __init__(self, about: About, unit: str, ids: IdArray, name: str, values: Sequence[Any]) -> None:
        self.about, self.unit, self.ids, self.name, self.values = about, unit, ids, name, values
        self.rows = [row for row, value in enumerate(values) if value is not None and value != ""]
        self.present = [values[row] for row in self.rows]

    def convert(self, rule: Rule) -> NDArray[Any]:
        """What is present, as an array."""
        try:
            return rule.convert(self.present)
        except (ValueError, TypeError, OverflowError):
            refused = rule.first_refused(self.present)
        assert refused is not None
        place = (self.unit, id_of(self.ids[self.rows[refused]]))
        raise errors.invalid_row(self.about, place, self.name, rule.expected, self.present[refused])


def _are_categories(present: Sequence[Any]) -> bool:
    different = set(present)
    if len(different) > min(MAX_CATEGORIES, len(present) // 2):
        return False
    texts = (value for value in different if isinstance(value, str))
    return all(len(text.encode(errors="surrogateescape")) <= MAX_ID_BYTES for text in texts)


def _sparse(column: _Column) -> SparseColumn:
    codes = np.full(len(column.values), UNKNOWN, dtype=np.int32)
    if not column.present:
        return SparseColumn(codes, ())
    names, found = np.unique(column.convert(TYPED_RULES.text_id), return_inverse=True)
    codes[column.rows] = found
    return SparseColumn(codes, tuple(name.decode() for name in names.tolist()))


def _dense(column: _Column) -> DenseColumn:
    values = np.zeros(len(column.values), dtype=np.float32)
    known = np.zeros(len(column.values), dtype=np.bool_)
    values[column.rows] = column.convert(TYPED_RULES.weight)
    known[column.rows] = True
    return DenseColumn(values, known)
