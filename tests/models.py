"""Small models made by hand: their arrays, published in a store, opened as a worker opens them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.opening import Opening, ServedModel, open_model
from port_worker.serving.requests import Id
from port_worker.store.catalogue import NO_KIND, CatalogueArrays, by_popularity
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.fold_in import GramArrays, LeastSquaresFacts, fact_of
from port_worker.store.manifest import Json
from port_worker.store.models import ModelStore


class Told(NamedTuple):
    item: Id
    weight: float = 1.0


class Totals(NamedTuple):
    hidden: int = 0
    hidden_version: int = 0


class NothingNew:
    """A live store in which nothing has happened."""

    def look(self, _users: Sequence[Id]) -> tuple[Totals, Mapping[Id, Sequence[Told]]]:
        return self.totals(), {}

    def totals(self) -> Totals:
        return Totals()

    def hidden(self) -> list[Id]:
        return []


def column(ids: Sequence[Id]) -> NDArray[Any]:
    """Ids as a model holds them; they must be ascending."""
    return np.array([one.encode() if isinstance(one, str) else one for one in ids])


def catalogue_arrays(
    users: Sequence[Id],
    items: Sequence[Id],
    consumed: Sequence[Sequence[int]] | None = None,
    *,
    weights: Sequence[float] | None = None,
    popularity: Sequence[int] | None = None,
    kinds: Sequence[int] | None = None,
) -> CatalogueArrays:
    """`consumed`: the item rows of each user, oldest first; `popularity` counts them unless it is given."""
    met = consumed if consumed is not None else [[] for _ in users]
    rows = np.array([row for some in met for row in some], dtype=np.int32)
    counts = np.bincount(rows, minlength=len(items)) if popularity is None else np.array(popularity)
    return CatalogueArrays(
        user_ids=column(users),
        item_ids=column(items),
        consumed_indptr=np.cumsum([0, *map(len, met)]).astype(np.int64),
        consumed_items=rows,
        consumed_weights=np.array(weights if weights is not None else np.ones(len(rows)), dtype=np.float32),
        item_popularity=counts.astype(np.int64),
        popular_items=by_popularity(counts.astype(np.int64)),
        item_kinds=np.array(kinds if kinds is not None else np.full(len(items), NO_KIND), dtype=np.uint8),
    )


def publish_embedding(
    store: ModelStore,
    catalogue: CatalogueArrays,
    vectors: EmbeddingArrays,
    *,
    algorithm: str = "ALS",
    facts: Mapping[str, Json] | None = None,
    folds: bool = True,
) -> str:
    """A version of an embedding model; one that `folds` does so by least squares, as ALS with reg and alpha of 1."""
    given: dict[str, Json] = {"kinds": [], "all_teach": bool((catalogue.consumed_weights > 0).all()), **(facts or {})}
    with store.stage() as staging:
        catalogue.write(staging.path)
        vectors.write(staging.path)
        if folds:
            items = vectors.item_vectors.astype(np.float64)
            GramArrays(items.T @ items).write(staging.path)
            given["fold_in"] = fact_of(LeastSquaresFacts(reg=1.0, alpha=1.0))
        users, items_count = vectors.sizes
        return staging.publish(
            algorithm=algorithm,
            kind=KIND,
            params={},
            users=users,
            items=items_count,
            rows=1,
            source="test",
            libraries={},
            facts=given,
        ).version


def serve_embedding(
    root: Path,
    catalogue: CatalogueArrays,
    vectors: EmbeddingArrays,
    *,
    live: Any = None,
    opening: Opening | None = None,
    **published: Any,
) -> ServedModel:
    """The same as a worker serves it."""
    store = ModelStore(root)
    version = publish_embedding(store, catalogue, vectors, **published)
    return open_model(store, version, live or NothingNew(), opening)
