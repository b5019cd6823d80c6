"""For whom items are ranked, whichever kind of model does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Feature = str | float | bool
Features = Mapping[str, Feature]


class Subject(NamedTuple):
    """What is known of the one who asks.

    row: of the model's users; None for one that it does not know.
    items: (k,) int32 item rows, the one met last at the end: what they had with a weight above 0, learnt and fed since,
        each once; or what the call gave as `recent`, where an item that is given twice was met twice.
    weights: (k,) float32, above 0, of each.
    fresh: whether `items` is other than what the model has learnt of the row.
    features: those that the call gave, checked by the model; None where it gave none.
    """

    row: int | None
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    fresh: bool
    features: Features | None = None
