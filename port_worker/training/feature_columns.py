"""Features as the columns that LibRecommender trains on: a number for each pair.

Names are the owner's and the feature's, because users and items may have features of one name. Sparse values are codes,
so no text meets LibRecommender's type handling, and the order of a vocabulary is the order of its indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.features import UNKNOWN, DenseColumn, FeatureTable, SparseColumn
from port_worker.training.catalogue import Owner


@dataclass(frozen=True)
class Scale:
    """How a dense feature is made comparable: (value - mean) / std, which has mean 0 and variance 1 over its owners."""

    mean: float
    std: float

    @classmethod
    def of(cls, column: DenseColumn) -> Scale:
        """From the known values, at least one; of equal ones, `std` is 1."""
        known = column.values[column.known].astype(np.float64)
        return cls(float(known.mean()), float(known.std()) or 1.0)


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """The features of the users, or of the items, of n pairs by LibRecommender's name: (n,) int32 and float32."""

    owner: Owner
    sparse: Mapping[str, NDArray[np.int32]]
    dense: Mapping[str, NDArray[np.float32]]


def feature_columns(owner: Owner, table: FeatureTable, rows: NDArray[np.int64]) -> FeatureColumns:
    """The features of the owners `rows`, (n,) row numbers of `table`."""
    return FeatureColumns(
        owner,
        {column_name(owner, name): codes(column)[rows] for name, column in table.sparse.items()},
        {column_name(owner, name): scaled(column)[rows] for name, column in table.dense.items()},
    )


def column_name(owner: Owner, feature: str) -> str:
    """What LibRecommender calls a feature."""
    return f"{owner}:{feature}"


def feature_of(name: str) -> tuple[Owner, str]:
    """The owner and the feature that `column_name` made a name of."""
    owner, _, feature = name.partition(":")
    return cast("Owner", owner), feature


def codes(column: SparseColumn) -> NDArray[np.int32]:
    """(n,) codes from 0; what is unknown comes after the vocabulary, a category of its own."""
    return np.where(column.codes == UNKNOWN, len(column.vocabulary), column.codes).astype(np.int32)


def scaled(column: DenseColumn) -> NDArray[np.float32]:
    """(n,) scaled values; 0, which is the mean, where unknown."""
    scale = Scale.of(column)
    values: NDArray[Any] = (column.values.astype(np.float64) - scale.mean) / scale.std
    return np.where(column.known, values, 0.0).astype(np.float32)
