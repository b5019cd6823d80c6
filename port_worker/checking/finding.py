"""What a source holds, found by reading it as the trainer would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from port_worker.sources.base import Progress, Source
from port_worker.sources.columns import Interactions
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.features import NO_KIND, UNKNOWN, FeatureTable
from port_worker.sources.registry import open_source

_LEAST = 2  # users and items, below which there is nothing to tell apart


@dataclass(frozen=True)
class Feature:
    """A feature by its kind, `sparse` or `dense`, and of what share of the users or items it is known."""

    kind: str
    known: float


@dataclass(frozen=True)
class Finding:
    """A source as it would be learnt from; times in unix seconds.

    rows, skipped: interactions that were kept, and malformed ones that were left out.
    weights: the smallest, the mean and the largest.
    rows_per_user: the fewest, the median and the most interactions of a user.
    item_kinds: how many items are of each kind; those of none under the empty name.
    enough: whether there is something to learn: two users and two items with a positive weight.
    """

    name: str
    location: str
    rows: int
    skipped: int
    users: int
    items: int
    first: int
    last: int
    weights: tuple[float, float, float]
    rows_per_user: tuple[int, float, int]
    item_kinds: Mapping[str, int]
    user_features: Mapping[str, Feature]
    item_features: Mapping[str, Feature]
    enough: bool
    seconds: float


def check(
    definition: SourceDefinition, progress: Progress | None = None, clock: Callable[[], float] = time.monotonic
) -> Finding:
    """Read the whole source. Raises SourceError."""
    started = clock()
    source = open_source(definition)
    met = source.interactions(progress)
    per_user = met.users.counts
    return Finding(
        name=definition.name,
        location=definition.shown_location,
        rows=len(met),
        skipped=met.skipped,
        users=len(met.users.ids),
        items=len(met.items.ids),
        first=int(met.times.min()),
        last=int(met.times.max()),
        weights=(float(met.weights.min()), float(met.weights.mean(dtype=np.float64)), float(met.weights.max())),
        rows_per_user=(int(per_user.min()), float(np.median(per_user)), int(per_user.max())),
        item_kinds=_kinds(source, met),
        user_features=_features(source.user_features(met.users.ids)),
        item_features=_features(source.item_features(met.items.ids)),
        enough=_enough(met),
        seconds=clock() - started,
    )


def _kinds(source: Source, met: Interactions) -> dict[str, int]:
    kinds = source.item_kinds(met.items.ids)
    found = {name: int((kinds.codes == code).sum()) for code, name in enumerate(kinds.names)}
    without = int((kinds.codes == NO_KIND).sum())
    return {**found, "": without} if without else found


def _features(table: FeatureTable | None) -> dict[str, Feature]:
    if table is None:
        return {}
    sparse = {name: Feature("sparse", float((each.codes != UNKNOWN).mean())) for name, each in table.sparse.items()}
    return sparse | {name: Feature("dense", float(each.known.mean())) for name, each in table.dense.items()}


def _enough(met: Interactions) -> bool:
    positive = met.at(met.weights > 0)
    return min(len(positive.users.ids), len(positive.items.ids)) >= _LEAST
