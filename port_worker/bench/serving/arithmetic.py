"""The ranking of vectors that a worker would open for a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from port_worker.serving.exact import ExactRanking
from port_worker.store.embedding import EmbeddingArrays

if TYPE_CHECKING:
    from port_worker.serving.embedding import VectorRanking


def vector_ranking(folder: Path, vectors: EmbeddingArrays, index: str) -> VectorRanking:
    """By every item (`exact`), or by the index in the version's folder."""
    return ExactRanking(vectors.item_vectors)
