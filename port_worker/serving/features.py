"""Features of users, from names and values in a call to what a model takes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ranking import OptionError
from port_worker.serving.subject import Feature, Features
from port_worker.store.features import DenseFeature, FeatureSide, SparseFeature

MOST_DEVIATIONS = 1e6
"""How far from its mean a number may be, in standard deviations: beyond is another unit, or would overflow a model."""


class FeatureRows(NamedTuple):
    """What a model takes in of b users: indices (b, sparse features) int32, scaled values (b, dense features)."""

    sparse: NDArray[np.int32]
    dense: NDArray[np.float32]


class UserFeatures:
    """What a model knows of its users' features, and how it reads those of a call.

    known: a row for each user, and a last one for a user who is unknown.
    """

    def __init__(self, side: FeatureSide, known: FeatureRows) -> None:
        self.names = side.names
        self._sparse = {feature.name: (column, feature) for column, feature in enumerate(side.sparse)}
        self._dense = {feature.name: (column, feature) for column, feature in enumerate(side.dense)}
        self._known = known

    def check(self, features: Features) -> tuple[Features, list[str]]:
        """Those that can be used, and the names of those whose value the model has not met, which are left out: then
        it goes by what it knows of the user, as LibRecommender does.

        Raises OptionError for a name that the model does not know or a value of the wrong type.
        """
        unmet = [name for name, value in features.items() if self._is_unmet(name, value)]
        return {name: value for name, value in features.items() if name not in unmet}, unmet

    def rows(self, users: NDArray[np.intp], features: Sequence[Features | None]) -> FeatureRows:
        """Of (b,) rows of users, the number of users for one that is unknown, changed by what the calls gave."""
        sparse, dense = self._known.sparse[users], self._known.dense[users]
        for row, given in enumerate(features):
            for name, value in (given or {}).items():
                if name in self._sparse:
                    column, category = self._sparse[name]
                    sparse[row, column] = category.indices[str(value)]
                else:
                    column, number = self._dense[name]
                    dense[row, column] = _scaled(number, float(value))
        return FeatureRows(sparse, dense)

    def _is_unmet(self, name: str, value: Feature) -> bool:
        if name in self._sparse:
            return _is_unmet(self._sparse[name][1], value)
        if name in self._dense:
            _check_number(self._dense[name][1], value)
            return False
        expected = f"a feature of the model's: {', '.join(self.names)}" if self.names else "none: the model has none"
        raise OptionError(f"features.{name}", expected, "another name", self.names)


def _is_unmet(feature: SparseFeature, value: Feature) -> bool:
    if not isinstance(value, str):
        raise OptionError(f"features.{feature.name}", "text", value)
    return value not in feature.indices


def _check_number(feature: DenseFeature, value: Feature) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f"features.{feature.name}", "a number", value)
    reach = MOST_DEVIATIONS * feature.std
    if not feature.mean - reach <= value <= feature.mean + reach:  # as no NaN is, and however long an integer is
        expected = f"a number from {feature.mean - reach:.6g} to {feature.mean + reach:.6g}"
        raise OptionError(f"features.{feature.name}", expected, value)


def _scaled(feature: DenseFeature, value: float) -> float:
    return (value - feature.mean) / feature.std
