"""Synthetic catalogues and models: seeded, written with the store's own classes, served by real workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from port_worker.config import settings
from port_worker.store.catalogue import NO_KIND, CatalogueArrays, by_popularity
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.manifest import Json
from port_worker.store.models import ModelStore, Staging

ALGORITHM = "ALS"
_TASTES = 500
_SPREAD = 0.6
"""Of an item around its taste: LibRecommender's vectors lie in clusters too, and none of these clusters is far off."""


@dataclass(frozen=True)
class Size:
    """How large a model is: `met` are the items of each user, `factors` the width of its vectors."""

    items: int
    factors: int
    users: int = 5000
    met: int = 30


@dataclass(frozen=True, eq=False)
class World:
    """A home with one active model. `user_ids`: (users,) 'S36', ascending, as its rows are."""

    home: Path
    folder: Path
    user_ids: NDArray[np.bytes_]
    item_ids: NDArray[np.bytes_]

    def users(self, rows: Sequence[int] | slice) -> list[str]:
        """The ids of rows, as a call names them."""
        return [one.decode() for one in self.user_ids[rows].tolist()]


def synthesise(home: Path, size: Size, *, indexed: bool = False, seed: int = 7) -> World:
    """Publish an embedding model of that size in `home`, and make it active. Raises OSError.

    indexed: with what the training would add for approximate ranking, which for few items is nothing.
    """
    random = np.random.default_rng(seed)
    catalogue = catalogue_arrays(random, size)
    vectors = embedding_arrays(random, size)
    store = ModelStore(settings(home).models)
    with store.stage() as staging:
        catalogue.write(staging.path)
        vectors.write(staging.path)
        facts = _write_index(staging.path, vectors) if indexed else {}
        version = _publish(staging, size, facts)
    store.activate(version)
    return World(home, store.folder(version), catalogue.user_ids, catalogue.item_ids)


def _write_index(folder: Path, vectors: EmbeddingArrays) -> dict[str, Json]:
    from port_worker.store.item_index import FACT
    from port_worker.training.index_export import build_index

    built = build_index(vectors.item_vectors, vectors.user_vectors)
    if built.arrays is not None:
        built.arrays.write(folder)
    return {FACT: built.facts}


def _publish(staging: Staging, size: Size, facts: dict[str, Json]) -> str:
    return staging.publish(
        algorithm=ALGORITHM,
        kind=KIND,
        params={},
        users=size.users,
        items=size.items,
        rows=size.users * size.met,
        source="synthetic",
        libraries={},
        facts={"kinds": [], "all_teach": True, **facts},
    ).version


def uuids(random: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """(count,) 'S36' random UUIDs in ascending order, all different."""
    text = np.frombuffer(random.bytes(16 * count).hex().encode(), dtype="S1").reshape(count, 32)
    dashes = np.full((count, 1), b"-", dtype="S1")
    pieces = (text[:, :8], text[:, 8:12], text[:, 12:16], text[:, 16:20], text[:, 20:])
    laid = np.concatenate([column for piece in pieces for column in (piece, dashes)][:-1], axis=1)
    found: NDArray[np.bytes_] = np.unique(np.ascontiguousarray(laid).view("S36").ravel())
    assert len(found) == count, "two random UUIDs were the same"
    return found


def embedding_arrays(random: np.random.Generator, size: Size) -> EmbeddingArrays:
    """Users and items around shared tastes; a score is about 1 within one taste."""
    tastes = random.standard_normal((_TASTES, size.factors), dtype=np.float32)
    return EmbeddingArrays(
        user_vectors=_around(random, tastes, size.users), item_vectors=_around(random, tastes, size.items)
    )


def _around(random: np.random.Generator, tastes: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    found = random.standard_normal((count, tastes.shape[1]), dtype=np.float32)
    found *= _SPREAD
    found += tastes[random.integers(0, len(tastes), count)]
    found /= np.float32(tastes.shape[1] ** 0.5)
    return found


def catalogue_arrays(random: np.random.Generator, size: Size) -> CatalogueArrays:
    """Users who have met `met` items each, popular ones more often."""
    met = met_items(random, size)
    popularity = np.bincount(met.ravel(), minlength=size.items).astype(np.int64)
    return CatalogueArrays(
        user_ids=uuids(random, size.users),
        item_ids=uuids(random, size.items),
        consumed_indptr=np.arange(size.users + 1, dtype=np.int64) * size.met,
        consumed_items=met.ravel().astype(np.int32),
        consumed_weights=np.ones(met.size, dtype=np.float32),
        item_popularity=popularity,
        popular_items=by_popularity(popularity),
        item_kinds=np.full(size.items, NO_KIND, dtype=np.uint8),
    )


def met_items(random: np.random.Generator, size: Size) -> NDArray[np.int64]:
    """(users, met) item rows, all different within a user; the square makes low rows popular ones.

    Each user's items begin in a place of their own of every stretch of the catalogue, so that none occurs twice.
    """
    edges = (np.linspace(0.0, 1.0, size.met + 1) ** 2 * size.items).astype(np.int64)
    starts = np.maximum(edges[:-1], np.arange(size.met))
    widths = np.maximum(np.maximum(edges[1:], starts + 1) - starts, 1)
    found: NDArray[np.int64] = starts + (random.random((size.users, size.met)) * widths).astype(np.int64)
    return found
