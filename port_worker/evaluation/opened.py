"""A stored version as a recommender, to be asked what it would have answered."""

from __future__ import annotations

from port_worker.evaluation.rankings import NothingTold
from port_worker.serving.opening import ServedModel, open_model
from port_worker.serving.steps import finish
from port_worker.store.models import ModelStore


def opened(store: ModelStore, version: str) -> ServedModel:
    """Checked, and ready to answer fast. Raises StoreError."""
    for _slice in store.verify(version):
        pass
    model = open_model(store, version, NothingTold())
    finish(model.prepare())
    return model
