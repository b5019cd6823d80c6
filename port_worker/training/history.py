"""What a manifest keeps of a training for people to look at: the data's volume by day, the loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from port_worker.training.progress import Phase

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

DAYS, LOSSES = "rows_by_day", "losses"
"""The names of these facts."""

MOST_DAYS = 1_000
"""The last ones: a manifest is read whenever versions are listed."""
MOST_EPOCHS = 1_000

_DAY = 86_400


def by_day(times: NDArray[np.int64]) -> Json:
    """`{first_day: days since 1970 (UTC), rows: how many each day from that one on}` of times in unix seconds."""
    days = times // _DAY
    last = int(days.max())
    first = max(int(days.min()), last - MOST_DAYS + 1)
    counts = np.bincount(days[days >= first] - first)
    return {"first_day": first, "rows": counts.tolist()}


def losses(heard: Mapping[Phase, Mapping[int, float]]) -> Json:
    """By phase the mean loss of each epoch, from the first on, as far as there are any."""
    found: dict[str, Json] = {}
    for phase, epochs in heard.items():
        if epochs:
            found[phase] = [epochs.get(epoch) for epoch in range(1, min(max(epochs), MOST_EPOCHS) + 1)]
    return found
