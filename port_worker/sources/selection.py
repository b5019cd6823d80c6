"""Which of the interactions that were read are to be learnt."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import errors
from port_worker.sources.columns import IdArray, IdColumn, Interactions, look_up
from port_worker.sources.definition import SourceDefinition

Clock = Callable[[], float]  # unix seconds
wall_clock: Clock = time.time


def lower_bound(definition: SourceDefinition, since: float | None, now: float) -> float | None:
    """The time, in unix seconds, after which interactions are wanted; None for all of them."""
    bounds = [bound for bound in (since, definition.earliest(now)) if bound is not None]
    return max(bounds, default=None)


def after(about: errors.About, interactions: Interactions, bound: float | None) -> Interactions:
    """Those that are newer than `bound`. Raises SourceError `source_empty` if there are none."""
    if bound is None:
        return interactions
    newer = interactions.times > bound
    if not newer.any():
        raise nothing_after(about, bound, int(interactions.times.max()))
    return interactions if newer.all() else interactions.at(newer)


def nothing_after(about: errors.About, bound: float, newest: int | None = None) -> errors.SourceError:
    """No interaction is newer than `bound`; `newest` is the time of the last there is, if that is known."""
    found = "" if newest is None else f"; the newest is of {newest}"
    return errors.empty(about, f"it holds no interactions after {bound:.0f} (unix seconds){found}")


def of_items(about: errors.About, items: IdColumn, known: IdArray) -> NDArray[np.bool_] | slice:
    """The rows of the items `known`, which are ascending. Raises SourceError `source_empty` if there are none."""
    there = _among(items.ids, known)
    if there.all():
        return slice(None)
    if not there.any():
        raise errors.empty(about, "it holds no interactions with an item that is public")
    return look_up(there, items.codes)


def frequent(about: errors.About, interactions: Interactions, definition: SourceDefinition) -> Interactions:
    """Those of users and items with as many interactions as the definition asks for, each counted once.

    Raises SourceError `source_empty` if there are none.
    """
    users, items = interactions.users, interactions.items
    enough_users = users.counts >= definition.minimum_user_rows
    enough_items = items.counts >= definition.minimum_item_rows
    if enough_users.all() and enough_items.all():
        return interactions
    kept = look_up(enough_users, users.codes) & look_up(enough_items, items.codes)
    if not kept.any():
        least = f"{definition.minimum_user_rows} of its user and {definition.minimum_item_rows} of its item"
        raise errors.empty(about, f"none of its {len(interactions)} interactions has the {least} that are the least")
    return interactions.at(kept)


def _among(ids: IdArray, known: IdArray) -> NDArray[np.bool_]:
    if ids.dtype.kind != known.dtype.kind or not len(known):
        return np.zeros(len(ids), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found: NDArray[np.bool_] = known[places] == ids
    return found
