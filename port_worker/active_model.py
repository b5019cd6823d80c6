"""The model that answers: found at the start, replaced while calls go on, never half loaded."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from port_worker.allocator import give_back_unused
from port_worker.config import Settings
from port_worker.mirroring.process import Mirroring
from port_worker.serving.catalogue import Catalogue
from port_worker.serving.opening import Opening, ServedModel, open_model
from port_worker.serving.steps import Steps, finish
from port_worker.serving.warming import warm
from port_worker.store.errors import FeedbackUnavailable, ModelDamaged, StoreError, StoreUnavailable
from port_worker.store.live import LiveStore
from port_worker.store.locking import WAIT_SECONDS, Hold
from port_worker.store.manifest import Manifest, is_version_name
from port_worker.store.models import ModelStore, StoredVersion
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import atom_keys

PULL_SECONDS = 3600.0
"""How long a download may take before a swap gives up; the call's own deadline is shorter, as a rule."""
PUBLISH_SECONDS = 10.0
"""How long a swap waits until the remote store knows of it; after that the mirror goes on trying alone."""
FIRST_LOOK_SECONDS = 10.0
FIRST_PULL_SECONDS = 50.0
"""How long a start waits for the remote store: with a version in its cache, and without one."""

Point = Callable[[str, float], Iterator[None]]
"""Makes a version the active one, in slices, of which the last one does it."""


class ActiveModel:
    """The one served model, and what was found damaged while looking for it.

    Args:
        store: the versions.
        live: what was fed and hidden since they were trained.
        settings: how a model is opened, and how many versions are kept.
        clock: monotonic seconds.
        mirroring: of the remote store that `store` is the cache of, if any.
    """

    def __init__(
        self,
        store: ModelStore,
        live: LiveStore,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        mirroring: Mirroring | None = None,
    ) -> None:
        self.store = store
        self._live = live
        self._opening = Opening(settings.index, settings.threads)
        self._keep = settings.keep_versions
        self._mirroring = mirroring
        self._said = ""
        self._clock = clock
        self._model: ServedModel | None = None
        self._hold: Hold | None = None
        self._damage: ModelDamaged | None = None
        self._afterwards: Iterator[object] | None = None

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
    def version(self) -> str | None:
        """The served version, None where there is none."""
        return self._model.version if self._model is not None else None

    @property
    def catalogue(self) -> Catalogue | None:
        """The served model's users and items, None where there is no model."""
        return self._model.recommender.catalogue if self._model is not None else None

    def check_name(self, version: str) -> None:
        """Raises UnknownVersion for a version that neither this store has, nor another that it is the cache of."""
        if self._mirroring is None or not is_version_name(version):
            self.store.folder(version)

    def catch_up(self) -> None:
        """Have what is active in the remote store, if there is one, before anything is loaded; else go on without."""
        if self._mirroring is None:
            return
        cached = self.store.pointers.active() is not None
        try:
            self._mirroring.catch_up(FIRST_LOOK_SECONDS if cached else FIRST_PULL_SECONDS)
        except StoreError as error:
            sys.stderr.write(f"port_worker: {error}; starting with what is cached, and trying again\n")

    def tend(self) -> None:
        """See that the remote store is looked at. What keeps it from that is said once."""
        if self._mirroring is None:
            return
        try:
            self._mirroring.tend()
        except StoreUnavailable as error:
            if str(error) != self._said:
                sys.stderr.write(f"port_worker: {error}; trying again\n")
            self._said = str(error)

    @property
    def waits_on(self) -> int | None:
        """The descriptor that a swap waits on; None while it has work to do at once, and where there is none."""
        return None if self._mirroring is None else self._mirroring.fd

    @property
    def waits_until(self) -> float:
        """When a swap that waits has work to do even so; infinite where none waits."""
        return math.inf if self._mirroring is None else self._mirroring.until

    def close(self) -> None:
        """End what runs beside."""
        if self._mirroring is not None:
            self._mirroring.close()

    def load_at_start(self) -> list[ModelDamaged]:
        """Serve the active version, or the newest intact one where that is damaged. Returns what was damaged."""
        # Modules stay, and are most of what a collection would walk while calls wait; a model is some thousand objects.
        gc.collect()
        gc.freeze()
        damaged: list[ModelDamaged] = []
        for version in self._candidates(damaged):
            try:
                self._model, self._hold = finish(self._open(version))
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

    def _open(self, version: str) -> Steps[tuple[ServedModel, Hold]]:
        """Check, map and warm a version, which nobody may prune from now on."""
        if self._mirroring is not None and not self.store.is_whole(version):
            yield from self._mirroring.pull(version, PULL_SECONDS)
        hold = self.store.hold(version)
        try:
            return (yield from self._opened(version)), hold
        except BaseException:  # a swap that was given up among them
            hold.release()
            raise

    def _opened(self, version: str) -> Steps[ServedModel]:
        yield from self.store.verify(version)
        model = open_model(self.store, version, self._live, self._opening)
        yield
        yield from model.prepare()
        try:
            yield from warm(model.recommender)
        except FeedbackUnavailable as error:  # calls are told so, until the file can be read
            sys.stderr.write(f"port_worker: {error}\n")
        give_back_unused()
        return model

    def swap(self, version: str) -> Steps[None]:
        """Check, load and warm a version in slices, then serve it and make it active. Raises StoreError, OSError.

        What is superfluous then is there for `forget` to drop.
        """
        yield from self._replace(version, self.store.activating, self.store.pointers.after)

    def swap_back(self, version: str) -> Steps[None]:
        """As `swap`, to what `store.previous` says."""
        yield from self._replace(version, self.store.rolling_back, self.store.pointers.before)

    def follow(self, version: str) -> Steps[None]:
        """As `swap`, to what another process has made active."""
        yield from self._replace(version)

    def _replace(
        self, version: str, point: Point | None = None, history: Callable[[str], list[str]] | None = None
    ) -> Steps[None]:
        model, hold = yield from self._open(version)
        try:
            yield
            if point is not None and history is not None:
                yield from self._made_active(version, point, history)
        except BaseException:
            hold.release()
            raise
        # From here on nothing yields: what is active is served, or neither is.
        if self._hold is not None:
            self._hold.release()  # calls that the old one still answers do not need its files' names
        self._model, self._hold, self._damage = model, hold, None
        self._afterwards = chain(_given_back(), self._forget_learnt(model), self._pruned())

    def _made_active(self, version: str, point: Point, history: Callable[[str], list[str]]) -> Steps[None]:
        """Elsewhere first: once it is active here, nothing can be given up any more."""
        if self._mirroring is None:
            yield from self._pointed(version, point)
            return
        try:
            yield from self._published(self._mirroring, history(version))
            yield from self._pointed(version, point)
        except BaseException:
            self._mirroring.tell(self.store.pointers.history())  # as if nothing had been
            raise

    def _published(self, mirroring: Mirroring, history: list[str]) -> Steps[None]:
        try:
            yield from mirroring.publish(history, PUBLISH_SECONDS)
        except StoreUnavailable as error:  # no reason not to serve it here
            sys.stderr.write(f"port_worker: {error}; {history[-1]} is active here, and elsewhere later\n")

    def _pointed(self, version: str, point: Point) -> Steps[None]:
        """Make it active; while another process holds the store's lock, calls are answered."""
        until = self._clock() + WAIT_SECONDS
        while True:
            try:
                yield from point(version, 0.0)
            except StoreUnavailable:
                if self._clock() >= until:
                    raise
            else:
                return
            yield

    def forget(self) -> bool:
        """Drop a slice of what the last swap has left behind: the old model's memory, the feedback that the new one has
        learnt, versions past those that are kept. Returns whether there is more to do."""
        if self._afterwards is None:
            return False
        for _slice in self._afterwards:
            return True
        self._afterwards = None
        return False

    def _pruned(self) -> Iterator[object]:
        """Remove the versions past those that are kept; where that cannot be, the next activation does."""
        try:
            yield from self.store.pruning(self._keep)
        except (StoreError, OSError) as error:
            sys.stderr.write(f"port_worker: old model versions stay: {error}\n")

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


def _given_back() -> Steps[None]:
    """The old model's memory, which nobody uses any more, wherever it is in cycles."""
    yield
    gc.collect()
    yield
    give_back_unused()


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
