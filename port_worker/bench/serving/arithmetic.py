"""The ranking of vectors that a worker would open for a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from port_worker.store.embedding import EmbeddingArrays

if TYPE_CHECKING:
    from port_worker.serving.embedding import VectorRanking


class NoIndexError(Exception):
    """The version has no index: exact ranking was found to serve it better."""


def vector_ranking(folder: Path, vectors: EmbeddingArrays, index: str) -> VectorRanking:
    """By every item (`exact`), or by the index in the version's folder (`approximate`). Raises NoIndexError."""
    if index == "exact":
        from port_worker.serving.screening import ScreenedRanking, exact_ranking
        from port_worker.serving.steps import finish

        ranking = exact_ranking(vectors.item_vectors)
        if isinstance(ranking, ScreenedRanking):
            finish(ranking.prepare())
        return ranking
    from port_worker.serving.approximate import ApproximateRanking
    from port_worker.store.item_index import open_index
    from port_worker.store.models import ModelStore

    found = open_index(folder, ModelStore(folder.parent).read(folder.name), vectors.item_vectors)
    if found is None:
        raise NoIndexError(f"{folder.name} has no index")
    return ApproximateRanking(vectors.item_vectors, *found)
