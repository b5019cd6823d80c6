"""What a model would recommend, as it is served, with nothing fed or hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.evaluation.metrics import ABSENT
from port_worker.serving.bulk import Pace, recommend_many
from port_worker.serving.catalogue import Catalogue
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Id, ManyRequest
from port_worker.serving.steps import finish
from port_worker.store.live import Fed, Totals

_SLICE_SECONDS = 1.0
"""Nobody waits for a slice to end."""


class NothingTold:
    """A `Live` store of nothing."""

    def look(self, users: Sequence[Id]) -> tuple[Totals, Mapping[Id, Sequence[Fed]]]:  # noqa: ARG002
        """Of nobody."""
        return self.totals(), {}

    def totals(self) -> Totals:
        """None of anything."""
        return Totals(0, 0, 0)

    def hidden(self) -> Sequence[Id]:
        """No items."""
        return []


def recommended(
    recommender: Recommender, user_ids: NDArray[Any], item_ids: NDArray[Any], count: int
) -> NDArray[np.int64]:
    """(users, count) the best items for each, without what the model knows that they have met; ABSENT behind the last.

    user_ids: (users,) of the caller's, known to the model or not. item_ids: ascending; the result has places in them,
    and ABSENT for an item that is not among them.
    """
    found = finish(recommend_many(recommender, ManyRequest(user_ids, count), Pace(_SLICE_SECONDS)))
    # One more for -1, which stands behind the last item of a ranking.
    places = np.append(_places(found.ids, item_ids), ABSENT)
    result: NDArray[np.int64] = places[found.items]
    return result


def popular(catalogue: Catalogue, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(users, count) rows of the most popular items that each of the users `rows` has not met; ABSENT likewise."""
    found = np.full((len(rows), count), ABSENT, dtype=np.int64)
    for place, row in enumerate(rows.tolist()):
        best = catalogue.most_popular(count, catalogue.consumed(row)[0].astype(np.intp), None)
        found[place, : len(best)] = best
    return found


def _places(ids: NDArray[Any], among: NDArray[Any]) -> NDArray[np.int64]:
    """Of each id its place in `among` (ascending), ABSENT where it is not there."""
    if not len(ids) or ids.dtype.kind != among.dtype.kind:
        return np.full(len(ids), ABSENT, dtype=np.int64)
    places = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    return np.where(among[places] == ids, places, ABSENT).astype(np.int64)
