"""What is recommended: ALS as it is trained on the fixture's world, and, where asked for, a larger synthetic model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from port_worker.bench import prepare
from port_worker.bench.serving.world import ALGORITHM, Size, World, synthesise
from port_worker.config import settings
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.models import ModelStore

FACTORS = 16
"""Of a synthetic model, and LibRecommender's own default."""


@contextmanager
def fixture() -> Iterator[World]:
    """ALS on the seeded world, in a temporary home. Raises HostError."""
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder:
        home = Path(folder)
        with prepare.start_worker(prepare.command(home, None, "etf")) as host:
            prepare.ensure_model(host, ALGORITHM)
        store = ModelStore(settings(home).models)
        active = store.active()
        assert active is not None
        catalogue = CatalogueArrays.open(store.folder(active))
        yield World(home, store.folder(active), catalogue.user_ids, catalogue.item_ids)


@contextmanager
def synthetic(items: int) -> Iterator[World]:
    """A synthetic model of so many items, in a temporary home. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder:
        yield synthesise(Path(folder), Size(items, FACTORS))


def factors(world: World) -> int:
    """The width of its vectors."""
    found: int = EmbeddingArrays.open(world.folder).item_vectors.shape[1]
    return found
