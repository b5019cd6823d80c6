"""Parts of what a training exported."""

from __future__ import annotations

from port_worker.store.embedding import EmbeddingArrays
from port_worker.training.exported import Exported


def vectors_of(exported: Exported) -> EmbeddingArrays:
    """The vectors of an embedding model."""
    [found] = [part for part in exported.parts if isinstance(part, EmbeddingArrays)]
    return found
