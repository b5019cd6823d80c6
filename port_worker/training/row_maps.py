"""Which row of a new table is which of an old one: of the same user, of the same item, of the same feature's value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.columns import IdArray
from port_worker.store.manifest import Json

Floats: TypeAlias = NDArray[np.float32]


class RowMap(NamedTuple):
    """Row `new[i]` of a table of `new_size` rows is row `old[i]` of one of `old_size`. Other rows have no counterpart.

    old, new: (n,) int64, each row once.
    """

    old: NDArray[np.int64]
    new: NDArray[np.int64]
    old_size: int
    new_size: int


def of_ids(old: IdArray, new: IdArray) -> RowMap:
    """By id. Both ascending; of one type, or none is the same."""
    if old.dtype.kind != new.dtype.kind:
        nothing = np.zeros(0, dtype=np.int64)
        return RowMap(nothing, nothing, len(old), len(new))
    _, old_rows, new_rows = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    return RowMap(old_rows.astype(np.int64), new_rows.astype(np.int64), len(old), len(new))


def of_features(old: dict[str, Json], new: dict[str, Json]) -> RowMap:
    """By feature and value, of two `FeatureLayout.facts` with the same features: what is unknown is a value too."""
    old_rows, new_rows = dict(_values(old)), dict(_values(new))
    both = [value for value in old_rows if value in new_rows]
    rows = np.array([(old_rows[value], new_rows[value]) for value in both], dtype=np.int64).reshape(-1, 2)
    sizes = cast("int", old["sparse_size"]), cast("int", new["sparse_size"])
    return RowMap(rows[:, 0].copy(), rows[:, 1].copy(), *sizes)


def _values(facts: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str | None], int]]:
    for owner in ("user", "item"):
        for feature in facts[owner]["sparse"]:
            yield (owner, feature["name"], None), feature["unknown"]
            for value, row in feature["indices"].items():
                yield (owner, feature["name"], value), row


def carried(old: Floats, fresh: Floats, rows: RowMap | None) -> Floats:
    """`fresh` with the rows of `old` that belong to the same; `old` as it is where rows are nobody's (None).

    Some tables have one more row behind the others: of an unknown user, or of the padding of a sequence. It is carried
    too, so that the model that a training starts from is the one that answers. Raises ValueError for other shapes.
    """
    if rows is None:
        _check_shape(old, fresh.shape)
        return old
    padding = len(fresh) - rows.new_size
    _check_shape(old, (rows.old_size + padding, *fresh.shape[1:]))
    result = fresh.copy()
    result[rows.new] = old[rows.old]
    if padding:
        result[-1] = old[-1]
    return result


def _check_shape(array: Floats, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"expected shape {expected}, found {array.shape}")
