"""What a model knows of its users' features, or its items', as `training.feature_layout` tells it to the manifest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from port_worker.store.manifest import Json


@dataclass(frozen=True)
class SparseFeature:
    """One of a few names. `indices`: the row of each in the table of all; `unknown`: the row for any other."""

    name: str
    field: int
    indices: Mapping[str, int]
    unknown: int
    unknown_learnt: bool


@dataclass(frozen=True)
class DenseFeature:
    """A number, which the model sees as (value - mean) / std."""

    name: str
    field: int
    mean: float
    std: float


@dataclass(frozen=True)
class FeatureSide:
    """The features of users, or of items, in the order of the columns in their arrays."""

    sparse: tuple[SparseFeature, ...] = ()
    dense: tuple[DenseFeature, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of all features."""
        return [*(feature.name for feature in self.sparse), *(feature.name for feature in self.dense)]

    @classmethod
    def from_json(cls, document: Json) -> FeatureSide:
        """`facts["user"]` or `facts["item"]` of a layout. Raises ValueError, which says what was expected."""
        if not isinstance(document, dict) or document.keys() != {"sparse", "dense"}:
            raise ValueError("expected an object of sparse and dense")
        return cls(_listed(document["sparse"], _sparse), _listed(document["dense"], _dense))

    def index_problem(self, size: int) -> str | None:
        """Whether some index is none of a table of so many rows."""
        for feature in self.sparse:
            indices = [*feature.indices.values(), feature.unknown]
            if min(indices) < 0 or max(indices) >= size:
                return f"indices of {feature.name} below {size}"
        return None


def _listed(document: Json, read: Callable[[dict[str, Any]], Any]) -> tuple[Any, ...]:
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise ValueError("expected a list of objects")
    return tuple(read(each) for each in document if isinstance(each, dict))


def _sparse(document: dict[str, Any]) -> SparseFeature:
    _check_types(document, {"name": str, "field": int, "indices": dict, "unknown": int, "unknown_learnt": bool})
    if not all(type(index) is int for index in document["indices"].values()):
        raise ValueError(f"indices of {document['name']}: expected integers")
    return SparseFeature(**document)


def _dense(document: dict[str, Any]) -> DenseFeature:
    _check_types(document, {"name": str, "field": int, "mean": float, "std": float})
    if not math.isfinite(document["mean"]) or not document["std"] > 0:
        raise ValueError(f"{document['name']}: expected a finite mean and a std above 0")
    return DenseFeature(**document)


def _check_types(document: dict[str, Any], types: dict[str, type]) -> None:
    if document.keys() != types.keys():
        raise ValueError(f"expected a feature's {', '.join(types)}, found {', '.join(sorted(document))}")
    for key, expected in types.items():
        if type(document[key]) is not expected:  # a bool is an int to isinstance
            raise ValueError(f"{key}: expected {expected.__name__}, found {document[key]!r}")
