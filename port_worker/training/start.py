"""What a training starts from: the active model's variables, and the users, items and features that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from port_worker.sources.columns import IdArray
from port_worker.sources.features import FeatureTable
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.manifest import Json, Manifest
from port_worker.store.models import ModelStore
from port_worker.store.variables import VariablesFile
from port_worker.training import model_variables, row_maps
from port_worker.training.catalogue import ALGORITHMS, Algorithm
from port_worker.training.dataset import TrainingData
from port_worker.training.errors import TrainingError
from port_worker.training.modes import FULL, INCREMENTAL, check_mode, other_model, refused_mode
from port_worker.training.plan import Plan
from port_worker.training.row_maps import Floats, RowMap

_SORTS = ("sparse", "dense")


@dataclass(frozen=True, eq=False)
class Start:
    """The active model, as a training goes on from it.

    version: its name. learnt_until: the largest time, in unix seconds, of the rows that its data had.
    user_ids, item_ids: whose rows its variables have, ascending. models: its variables, by algorithm.
    """

    mode: str
    version: str
    learnt_until: int
    user_ids: IdArray
    item_ids: IdArray
    models: Mapping[str, VariablesFile]

    @property
    def newer_than(self) -> int | None:
        """Only pairs that met after this time are fitted on; None for all."""
        return self.learnt_until if self.mode == INCREMENTAL else None

    def check(self, data: TrainingData) -> None:
        """Whether the data is about what the model knows, with the same features, and has something new for it.

        Raises TrainingError: `unsupported_option`, and `source_empty` if an incremental training has nothing to learn.
        """
        for of, old, new in (("users", self.user_ids, data.user_ids), ("items", self.item_ids, data.item_ids)):
            if not len(row_maps.of_ids(old, new).old):
                raise refused_mode(self.mode, f"some {of} of the active model {self.version} in the source", "none")
        for name, saved in self.models.items():
            self._check_features(ALGORITHMS[name], saved, data)
        newest = int(data.times[data.positive].max())
        if self.newer_than is not None and newest <= self.newer_than:
            message = (
                f"mode: {self.mode} expects interactions of positive weight after {self.newer_than}, which is what "
                f"the active model {self.version} has learnt until, got none: the newest is of {newest}"
            )
            details = {"field": "mode", "mode": self.mode, "learnt_until": self.newer_than, "newest": newest}
            raise TrainingError("source_empty", message, details)

    def _check_features(self, algorithm: Algorithm, saved: VariablesFile, data: TrainingData) -> None:
        theirs, ours = _names_in(saved.features), _names_of(algorithm, data)
        if theirs != ours:
            expected = f"the features of the active model {self.version}: {_listed(theirs)}"
            raise refused_mode(self.mode, expected, _listed(ours), algorithm=algorithm.name)

    def fill(self, algorithm: Algorithm, model: Any, features: dict[str, Json] | None, data: TrainingData) -> None:
        """Give a LibRecommender model of `data`, just built, the active one's variables: known rows by their ids.

        Rows of new users, items and values stay as the seed made them. `features` is the facts of the model's layout.
        Raises TrainingError `unsupported_option` for variables that this version of the libraries names or shapes
        otherwise.
        """
        saved = self.models[algorithm.name]
        fresh = model_variables.read(model, algorithm.family)
        if fresh.keys() != saved.values.keys():
            other = sorted(fresh.keys() ^ saved.values.keys())
            raise refused_mode(self.mode, f"the variables of the active model {self.version}", f"others: {other}")
        maps = self._row_maps(saved.features, features, data)
        carried = {name: self._carried(name, saved.values[name], array, maps) for name, array in fresh.items()}
        model_variables.write(model, algorithm.family, carried)

    def _row_maps(
        self, theirs: dict[str, Json] | None, ours: dict[str, Json] | None, data: TrainingData
    ) -> dict[str, RowMap]:
        maps: dict[str, RowMap] = {
            "user": row_maps.of_ids(self.user_ids, data.user_ids),
            "item": row_maps.of_ids(self.item_ids, data.item_ids),
        }
        return maps if theirs is None or ours is None else maps | {"sparse": row_maps.of_features(theirs, ours)}

    def _carried(self, name: str, old: Floats, fresh: Floats, maps: Mapping[str, RowMap]) -> Floats:
        owner = model_variables.owner_of(name)
        try:
            return row_maps.carried(old, fresh, None if owner is None else maps[owner])
        except ValueError as error:
            raise refused_mode(
                self.mode, f"variables as in the active model {self.version}", f"{name}: {error}"
            ) from error


def read_start(store: ModelStore, plan: Plan, mode: str) -> Start | None:
    """The active model for a training of that mode; None for `full`.

    Raises TrainingError `unsupported_option` where there is none that `plan` can start from, and StoreError.
    """
    check_mode(plan, mode)
    if mode == FULL:
        return None
    version = store.active()
    if version is None:
        raise refused_mode(mode, f"an active model of {plan.name} to start from", "none")
    for _slice in store.verify(version):
        pass
    manifest = store.read(version)
    _check_same_model(manifest, plan, mode)
    folder = store.folder(version)
    ids = CatalogueArrays.open(folder)
    models = {name: _saved(folder, name, mode) for name in plan.algorithms}
    return Start(mode, version, _learnt_until(manifest, mode), ids.user_ids, ids.item_ids, models)


def _check_same_model(manifest: Manifest, plan: Plan, mode: str) -> None:
    if manifest.algorithm != plan.name:
        raise refused_mode(mode, f"an active model of {plan.name}", f"{manifest.version}, of {manifest.algorithm}")
    differing = other_model(manifest.params, plan.all_params)
    if differing:
        theirs, ours = ({name: values[side] for name, values in differing.items()} for side in (0, 1))
        expected = f"{_assigned(theirs)}, as the active model {manifest.version} has"
        raise refused_mode(mode, expected, _assigned(ours), parameters=list(differing))


def _saved(folder: Path, algorithm: str, mode: str) -> VariablesFile:
    """ALS has no variables but its vectors, which serving reads."""
    if ALGORITHMS[algorithm].family == "als":
        vectors = EmbeddingArrays.open(folder)
        return VariablesFile(algorithm, {"user_vectors": vectors.user_vectors, "item_vectors": vectors.item_vectors})
    found = VariablesFile.open(folder, algorithm)
    if found is None:
        expected = f"the variables of {algorithm} in {folder.name}"
        raise refused_mode(mode, f"{expected}, which PORT_WORKER_KEEP_VARIABLES=yes keeps", "none")
    return found


def _learnt_until(manifest: Manifest, mode: str) -> int:
    found = manifest.facts.get("learnt_until")
    if type(found) is not int:
        raise refused_mode(mode, f"the time until which {manifest.version} has learnt, in its manifest", found)
    return found


def _names_in(facts: dict[str, Json] | None) -> dict[str, list[str]]:
    if facts is None:
        return {}
    sides = ((owner, sort) for owner in ("user", "item") for sort in _SORTS)
    found = {f"{owner} {sort}": [each["name"] for each in cast("Any", facts)[owner][sort]] for owner, sort in sides}
    return {side: names for side, names in found.items() if names}


def _names_of(algorithm: Algorithm, data: TrainingData) -> dict[str, list[str]]:
    tables: dict[str, FeatureTable | None] = {"user": data.user_features, "item": data.item_features}
    learnt = {owner: table for owner, table in tables.items() if owner in algorithm.features and table is not None}
    found = {f"{owner} {sort}": list(getattr(table, sort)) for owner, table in learnt.items() for sort in _SORTS}
    return {side: names for side, names in found.items() if names}


def _listed(names: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{side} {', '.join(found)}" for side, found in names.items()) or "none"


def _assigned(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items())
