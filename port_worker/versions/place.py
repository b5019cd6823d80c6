"""Where the versions are: a folder, or the store at a URL that a folder is the cache of."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from port_worker.config import Settings
from port_worker.sources.definition import SourceDefinition
from port_worker.store.errors import StoreError
from port_worker.store.mirror import Mirror
from port_worker.store.models import ModelStore
from port_worker.store.remote import RemoteStore


@dataclass(frozen=True)
class Place:
    """The store on this machine, and the remote one with its mirror where there is one.

    keep: as in Settings. sources: those that are configured, by what a manifest calls them.
    """

    store: ModelStore
    keep: int
    remote: RemoteStore | None = None
    mirror: Mirror | None = None
    sources: Mapping[str, SourceDefinition] = field(default_factory=dict)

    def fetch(self, version: str) -> None:
        """Have a version on this machine. Raises UnknownVersion, ModelDamaged, StoreUnavailable."""
        if self.remote is not None and not self.store.is_whole(version):
            self.remote.pull(version)
        self.store.read(version)


def note(error: Exception) -> None:
    """Say what does not keep the program from going on."""
    sys.stderr.write(f"port-worker models: {' '.join(str(error).split())}; going on with what is on this machine\n")


def open_place(chosen: Settings) -> Place:
    """The place of some settings, its cache in line with the remote store if that can be. Raises StoreUnavailable for
    a URL that nothing here can open."""
    store = ModelStore(chosen.models)
    sources = {each.shown_location: each for each in chosen.sources.values()}
    if chosen.remote is None:
        return Place(store, chosen.keep_versions, sources=sources)
    remote = RemoteStore(chosen.remote, store)
    mirror = Mirror(remote, chosen.keep_versions)
    try:
        mirror.look()
    except StoreError as error:
        note(error)
    return Place(store, chosen.keep_versions, remote, mirror, sources)
