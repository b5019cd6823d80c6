"""The model that answers: found at the start, replaced while calls go on, never half loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

from port_worker.allocator import give_back_unused
from port_worker.config import Settings
from port_worker.serving.catalogue import Catalogue
from port_worker.serving.opening import Opening, ServedModel, open_model
from port_worker.serving.steps import Steps, finish
from port_worker.serving.warming import warm
from port_worker.store.errors import FeedbackUnavailable, ModelDamaged, StoreError
from port_worker.store.live import LiveStore
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore, StoredVersion
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import atom_keys


class ActiveModel:
    """The one served model, and what was found damaged while looking for it.

    Args:
        store: the versions.
        live: what was fed and hidden since they were trained.
        settings: how a model is opened.
    """

    def __init__(self, store: ModelStore, live: LiveStore, settings: Settings) -> None:
        self.store = store
        self._live = live
        self._opening = Opening(settings.index, settings.threads)
        self._model: ServedModel | None = None
        self._damage: ModelDamaged | None = None
        self._forgetting: Iterator[None] | None = None

    @property
    def serving(self) -> ServedModel:
        """The served model. Raises ProtocolError: `model_damaged` when the only ones are, else `no_model`."""
        if self._model is not None:
            return self._model
        if self._damage is not None:
            raise ProtocolError(self._damage.code, str(self._damage), self._damage.details)
        raise ProtocolError("no_model", "model: expected a trained model, got none; call retrain first")

    @property
    def is_loaded(self) -> bool:
        """Whether there is a served model."""
        return self._model is not None

    @property
    def catalogue(self) -> Catalogue | None:
        """The served model's users and items, None where there is no model."""
        return self._model.recommender.catalogue if self._model is not None else None

    def load_at_start(self) -> list[ModelDamaged]:
        """Serve the active version, or the newest intact one where that is damaged. Returns what was damaged."""
        damaged: list[ModelDamaged] = []
        for version in self._candidates(damaged):
            try:
                self._model = finish(self._open(version))
                break
            except ModelDamaged as error:
                damaged.append(error)
        self._damage = damaged[0] if damaged else None
        return damaged

    def _candidates(self, damaged: list[ModelDamaged]) -> Iterator[str]:
        """The active version, then the others, newest first; none where no version was ever activated."""
        try:
            active = self.store.active()
        except ModelDamaged as error:
            damaged.append(error)
            active = None
        if active is None and not damaged:
            return
        if active is not None:
            yield active
        yield from (stored.version for stored in self.store.versions() if stored.version != active)

    def _open(self, version: str) -> Steps[ServedModel]:
        yield from self.store.verify(version)
        model = open_model(self.store, version, self._live, self._opening)
        yield
        yield from model.prepare()
        try:
            yield from warm(model.recommender)
        except FeedbackUnavailable as error:  # calls are told so, until the file can be read
            sys.stderr.write(f"port_worker: {error}\n")
        gc.collect()
        gc.freeze()  # what a model is made of stays: no collection shall walk it while calls wait
        give_back_unused()
        return model

    def swap(self, version: str) -> Steps[None]:
        """Check, load and warm a version in slices, then serve it and make it active. Raises StoreError, OSError.

        What it has learnt of the feedback is there for `forget` to drop.
        """
        model = yield from self._open(version)
        yield
        self.store.activate(version)
        self._model, self._damage = model, None
        self._forgetting = self._forget_learnt(model)

    def forget(self) -> bool:
        """Drop a slice of the feedback that the last swap's model has learnt. Returns whether there is more to do."""
        if self._forgetting is None:
            return False
        for _slice in self._forgetting:
            return True
        self._forgetting = None
        return False

    def _forget_learnt(self, model: ServedModel) -> Steps[None]:
        """Drop the feedback that the model has learnt; where that cannot be, it counts twice until another does."""
        try:
            for _dropped in self._live.forget_learnt(model.has_learnt):
                yield
        except StoreError as error:
            sys.stderr.write(f"port_worker: {error}\n")

    def summary(self) -> dict[Atom, Any] | None:
        """What `hello` and `status` say of the served model, None where there is none."""
        model = self._model
        if model is None:
            return None
        return atom_keys(
            version=model.version,
            algorithm=model.algorithm,
            kind=model.kind,
            options=sorted(model.options),
            users=model.manifest.users,
            items=model.manifest.items,
            created_at=model.manifest.created_at,
        )

    def listing(self) -> dict[Atom, Any]:
        """The result of `models`: every stored version, newest first."""
        active = self._model.version if self._model else None
        return atom_keys(active=active, versions=[_described(stored, active) for stored in self.store.versions()])


def _described(stored: StoredVersion, active: str | None) -> dict[Atom, Any]:
    manifest = stored.manifest
    facts = {
        "algorithm": manifest and manifest.algorithm,
        "kind": manifest and manifest.kind,
        "facts": manifest and _shown_facts(manifest),
        "created_at": manifest and manifest.created_at,
        "users": manifest and manifest.users,
        "items": manifest and manifest.items,
        "rows": manifest and manifest.rows,
        "bytes": manifest and manifest.total_size,
    }
    return atom_keys(version=stored.version, active=stored.version == active, damaged=stored.damaged, **facts)


_SHOWN_FACTS = ("kinds", "fold_in", "index", "candidates", "learnt_until")


def _shown_facts(manifest: Manifest) -> dict[str, Any]:
    """What of the manifest's facts is for people: what was measured and decided at the export."""
    return {name: manifest.facts[name] for name in _SHOWN_FACTS if name in manifest.facts}


def report_damage(damaged: list[ModelDamaged]) -> None:
    """Say on stderr which versions cannot be used, for the operator's log."""
    for error in damaged:
        sys.stderr.write(f"port_worker: {error}\n")
