"""What a page says of a version, from its manifest and its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from port_worker.evaluation.opened import opened
from port_worker.serving.about_items import similar
from port_worker.serving.ids import plain_ids
from port_worker.serving.opening import ServedModel
from port_worker.serving.requests import Filter, Id, SimilarRequest
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore

NEIGHBOURS = 5
_POPULAR, _OTHERS = 4, 4
_SEED = 7

Names = Callable[[Sequence[Id]], Mapping[Id, str]]
"""What items are called, of those that have a name."""


@dataclass(frozen=True)
class Neighbours:
    """An item and those that the model takes for most alike, with how alike they are, -1 to 1."""

    item: str
    alike: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Findings:
    """All that a page shows. The mappings are the facts of a manifest; empty where it lacks them."""

    manifest: Manifest
    evaluation: Mapping[str, Any]
    losses: Mapping[str, Sequence[float | None]]
    rows_by_day: Mapping[str, Any]
    neighbours: tuple[Neighbours, ...]


def findings(store: ModelStore, version: str, names: Names) -> Findings:
    """Raises StoreError for a version that is not there or damaged."""
    model = opened(store, version)
    facts = model.manifest.facts
    return Findings(
        model.manifest,
        _mapping(facts.get("evaluation")),
        _mapping(facts.get("losses")),
        _mapping(facts.get("rows_by_day")),
        tuple(_neighbours(model, names)),
    )


def _mapping(fact: Any) -> Mapping[str, Any]:
    return fact if isinstance(fact, Mapping) else {}


def _neighbours(model: ServedModel, names: Names) -> list[Neighbours]:
    catalogue = model.recommender.catalogue
    chosen = catalogue.items.ids(_chosen_rows(catalogue.arrays.popular_items))
    found = [_alike(model, item) for item in chosen]
    called = names([*chosen, *(item for alike in found for item, _ in alike)])
    return [
        Neighbours(_label(item, called), tuple((_label(other, called), score) for other, score in alike))
        for item, alike in zip(chosen, found, strict=True)
    ]


def _chosen_rows(popular: Any) -> Any:
    """The most popular items, and some of the others."""
    others = popular[_POPULAR:]
    drawn = np.random.default_rng(_SEED).choice(others, min(_OTHERS, len(others)), replace=False)
    return np.concatenate([popular[:_POPULAR], drawn])


def _alike(model: ServedModel, item: Id) -> list[tuple[Id, float]]:
    found = similar(model.recommender, SimilarRequest(item, NEIGHBOURS, "cosine", Filter()))
    return list(zip(plain_ids(found.ids), found.scores.tolist(), strict=True))


def _label(item: Id, called: Mapping[Id, str]) -> str:
    return called.get(item, str(item))
