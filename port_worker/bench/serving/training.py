"""Networks that are trained for the bench: briefly, on synthetic meetings that cover the whole catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from port_worker.bench.serving.network_peer import CANDIDATES, FULL, RETRIEVER, Spec, two_stage
from port_worker.bench.serving.world import uuids
from port_worker.config import settings
from port_worker.sources.columns import IdColumn, Interactions
from port_worker.store.models import ModelStore
from port_worker.store.two_stage import KIND as TWO_STAGE
from port_worker.training import catalogue, dataset, fit
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_part
from port_worker.training.exported import Exported
from port_worker.training.progress import Reporter

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

_PARAMS: Mapping[str, object] = {"n_epochs": 3, "batch_size": 2048, "seed": 3}
_RETRIEVER_PARAMS: Mapping[str, object] = {"n_epochs": 5, "seed": 3}
_TASTES = 50
_OWN, _POPULAR = 60, 10
"""Items of each user: of their own taste, and those that everybody meets more or less."""

_STEEP = 3.0
"""How much more often the first of many items is met than the last."""


def publish_stages(folder: Path, spec: Spec) -> Any:
    """Train the network and a retriever, publish both kinds of version, each active in a home of its own.

    Returns LibRecommender's model of the network. Raises TrainingError, OSError.
    """
    data = meetings(spec.items, spec.users)
    shared = catalogue_part(data)
    retriever = _fitted(RETRIEVER, _RETRIEVER_PARAMS, data)[1]
    model, ranker = _fitted(spec.network, _PARAMS, data)
    _publish(folder / FULL, spec.network, _joined(ranker.kind, shared, ranker), data)
    both = _joined(TWO_STAGE, shared, retriever, ranker)
    for count in CANDIDATES:
        facts: dict[str, Json] = {**both.facts, "candidates": count}
        _publish(folder / two_stage(count), f"{RETRIEVER}+{spec.network}", replace(both, facts=facts), data)
    return model


def meetings(items: int, users: int, seed: int = 5) -> TrainingData:
    """Each user meets items of one taste, the first of it more often, and some that everybody meets.

    Every item is met at least once, so that all of them are in the catalogue.
    """
    random = np.random.default_rng(seed)
    tastes = min(_TASTES, users, items)
    size = items // tastes
    user_rows = np.repeat(np.arange(users), _OWN + _POPULAR)
    own = (random.random((users, _OWN)) ** _STEEP * size).astype(np.int64) * tastes
    own += (np.arange(users) % tastes)[:, None]
    popular = (random.random((users, _POPULAR)) ** _STEEP * items).astype(np.int64)
    # Users of a taste take turns with its items.
    turns = np.arange(items) % tastes + np.arange(items) // tastes % (users // tastes) * tastes
    pairs_users = np.concatenate([turns, user_rows])
    pairs_items = np.concatenate([np.arange(items), np.concatenate([own, popular], axis=1).ravel()])
    order = random.permutation(len(pairs_users))
    return dataset.prepare(
        Interactions(
            users=IdColumn.of(uuids(random, users)[pairs_users[order]]),
            items=IdColumn.of(uuids(random, items)[random.permutation(items)[pairs_items[order]]]),
            weights=np.ones(len(order), dtype=np.float32),
            times=np.arange(len(order), dtype=np.int64),
        )
    )


def _fitted(algorithm: str, params: Mapping[str, object], data: TrainingData) -> tuple[Any, Exported]:
    known = {parameter.name for parameter in catalogue.ALGORITHMS[algorithm].parameters}
    given = {name: value for name, value in params.items() if name in known}
    checked = fit.fitting_params(algorithm, catalogue.validate(algorithm, given), len(data.item_ids))
    return fit.fitted(algorithm, checked, data, Reporter(lambda _progress: None))


def _joined(kind: str, *parts: Exported) -> Exported:
    facts: dict[str, Json] = {}
    for part in parts:
        facts |= part.facts
    return Exported(kind, tuple(one for part in parts for one in part.parts), facts)


def _publish(home: Path, algorithm: str, exported: Exported, data: TrainingData) -> None:
    store = ModelStore(settings(home).models)
    with store.stage() as staging:
        exported.write(staging.path)
        version = staging.publish(
            algorithm=algorithm,
            kind=exported.kind,
            params={},
            users=len(data.user_ids),
            items=len(data.item_ids),
            rows=data.rows,
            source="synthetic",
            libraries={},
            facts=exported.facts,
        ).version
    store.activate(version)
