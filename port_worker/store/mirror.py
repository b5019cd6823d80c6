"""A cache and the store that it is of, kept in line: what either has made active, the other gets.

    ROOT/SEEN       the version that was active in the remote store at the last look
    ROOT/PENDING    the history that this machine has to tell the remote store, which could not be reached

Several processes of a machine may do this at once: every step is idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from port_worker.store import locking
from port_worker.store.errors import StoreError
from port_worker.store.manifest import is_version_name
from port_worker.store.pointers import joined, replace_file
from port_worker.store.remote import RemoteStore

SEEN = "SEEN"
PENDING = "PENDING"


class Mirror:
    """One remote store and its cache.

    Args:
        remote: the store, which knows its cache.
        keep: how many of the newest versions the remote store keeps.
    """

    def __init__(self, remote: RemoteStore, keep: int) -> None:
        self._remote = remote
        self._cache = remote.cache
        self._keep = keep

    def look(self) -> str | None:
        """Tell what is pending; else take over what was activated elsewhere since the last look, and return its name.

        The version to roll back to comes along. Raises StoreUnavailable, ModelDamaged, UnknownVersion, OSError.
        """
        active = self._remote.active()
        # A store that is still empty gets what its first user has.
        pending = self._names(PENDING) or (self._cache.pointers.history() if active is None else [])
        if pending and active in (None, *self._names(SEEN)):
            self._tell(pending)
            return None
        (self._cache.root / PENDING).unlink(missing_ok=True)  # others were faster
        if active is None or [active] == self._names(SEEN):
            return None
        self._take_over(active)
        return active

    def publish(self, history: Sequence[str]) -> None:
        """Have a history's last version active in the remote store, now or after a later `look`.

        Raises as `look` does: then it is pending.
        """
        replace_file(self._cache.root, PENDING, joined(history))
        self._tell(history)

    def pull(self, version: str) -> None:
        """Have a version in the cache. Raises as `look` does."""
        self._remote.pull(version)

    def _tell(self, history: Sequence[str]) -> None:
        for version in history[-2:]:
            if self._cache.is_whole(version):
                self._remote.push(version)
        self._remote.point(history)
        self._settle(history[-1])
        self._remote.prune(self._keep)

    def _take_over(self, active: str) -> None:
        history = self._remote.history()
        self._remote.pull(active)
        with locking.changing(self._cache.root):
            self._cache.pointers.move(history if history[-1:] == [active] else [active])
        self._settle(active)
        for version in history[-2:-1]:
            with suppress(StoreError):  # it may have been pruned: then there is nothing to roll back to
                self._remote.pull(version)

    def _settle(self, version: str) -> None:
        replace_file(self._cache.root, SEEN, f"{version}\n".encode())
        (self._cache.root / PENDING).unlink(missing_ok=True)

    def _names(self, name: str) -> list[str]:
        path: Path = self._cache.root / name
        try:
            return [line for line in path.read_text("ascii", "replace").split() if is_version_name(line)]
        except FileNotFoundError:
            return []
