"""The model store: versions in a folder, one of which is active.

    ROOT/<version>/manifest.json, *.npy    immutable once visible
    ROOT/ACTIVE, HISTORY                   the active version's name and those before it, see `pointers`
    ROOT/.staging-*                        versions in the making, or on their way out, see `staging`

A crash at any instruction leaves the previous active version as it was, and nothing half written under a version's
name. Whoever changes what is active or what there is holds a lock, see `locking`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from port_worker.store import durable, locking, manifest, staging
from port_worker.store.errors import ModelDamaged, NoPreviousVersion, UnknownVersion
from port_worker.store.locking import WAIT_SECONDS, Hold
from port_worker.store.manifest import FileEntry, Json, Manifest, ManifestError, is_version_name
from port_worker.store.pointers import ACTIVE, Pointers

SLICE_BYTES = 256 * 1024
"""How much is hashed between two yields: about a millisecond's work, since a single-threaded loop waits for it."""

_ALGORITHM = re.compile(r"[A-Za-z0-9]{1,20}(\+[A-Za-z0-9]{1,20})?", re.ASCII)
"""One name, or two that are joined."""


@dataclass(frozen=True)
class StoredVersion:
    """One folder of the store: its manifest, or why it cannot be used (missing, changed or truncated files)."""

    version: str
    manifest: Manifest | None
    damaged: str | None


class Staging:
    """Where a version's files are written before it is published: `path` is an empty folder."""

    def __init__(self, root: Path, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self._root = root
        self._clock = clock

    def publish(
        self,
        *,
        algorithm: str,
        kind: str,
        params: dict[str, Json],
        users: int,
        items: int,
        rows: int,
        source: str,
        libraries: dict[str, str],
        facts: dict[str, Json] | None = None,
    ) -> Manifest:
        """Make the files in `path` a version: flushed, described, then visible by one rename. It is not activated.

        Raises OSError (disk full, read-only) and ValueError (an algorithm or file name that cannot be in a version,
        a parameter that JSON cannot hold); the store is then as it was.
        """
        created_at = int(self._clock())
        entries = {path.name: entry_of(path) for path in sorted(self.path.iterdir())}
        made = Manifest(
            version=_new_version(self._root, created_at, algorithm),
            created_at=created_at,
            algorithm=algorithm,
            kind=kind,
            params=params,
            users=users,
            items=items,
            rows=rows,
            source=source,
            libraries=libraries,
            files=entries,
            facts=facts or {},
        )
        durable.write_file(self.path / manifest.FILE_NAME, made.to_json())
        durable.sync_folder(self.path)
        self.path.rename(self._root / made.version)
        durable.sync_folder(self._root)
        return made


class ModelStore:
    """The versions under `root`. The folder need not exist: then there are none. Any number of processes may use it."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.pointers = Pointers(root)
        self._clock = clock

    def versions(self) -> list[StoredVersion]:
        """Every version, newest first, the damaged ones too. File contents are not read: `verify` does that."""
        return [self._stored(name) for name in self._names()]

    def _names(self) -> list[str]:
        """Of every version, newest first."""
        return sorted((path.name for path in self.root.glob("*") if is_version_name(path.name)), reverse=True)

    def folder(self, version: str) -> Path:
        """Where a version's files are. Raises UnknownVersion, also for text that is no version's name."""
        path = self.root / version
        if not is_version_name(version) or not path.is_dir():
            raise UnknownVersion(version)
        return path

    def read(self, version: str) -> Manifest:
        """A version's manifest, its own checksum checked. Raises UnknownVersion, ModelDamaged."""
        path = self.folder(version) / manifest.FILE_NAME
        try:
            with path.open("rb") as file:
                found = Manifest.from_json(file.read(manifest.MAX_BYTES + 1))
        except ManifestError as error:
            raise ModelDamaged(version, path.name, error.expected, error.found) from error
        except OSError as error:
            raise ModelDamaged(version, path.name, "a readable file", error.strerror) from error
        if found.version != version:
            raise ModelDamaged(version, path.name, f"version {version}", found.version)
        return found

    def verify(self, version: str) -> Iterator[None]:
        """Check every file of a version against its manifest, yielding after each slice so that others can run.

        Raises UnknownVersion, ModelDamaged (from the iteration, not from the call).
        """
        described = self.read(version)
        self._check_sizes(described)
        for name, entry in described.files.items():
            yield from self._check_hash(version, name, entry)

    def active(self) -> str | None:
        """The active version's name, or None before the first. Raises ModelDamaged when it names none that is there."""
        text = self.pointers.active()
        if text is None:
            return None
        try:
            self.folder(text)
        except UnknownVersion as error:
            raise ModelDamaged(text, ACTIVE, "the name of a stored version", repr(text)) from error
        return text

    def previous(self) -> str:
        """The version that was active before the active one, and is still there. Raises NoPreviousVersion, OSError."""
        history = self.pointers.history()
        for version in reversed(history[:-1]):
            if version != history[-1] and (self.root / version).is_dir():
                return version
        raise NoPreviousVersion(history[-1] if history else None)

    def activate(self, version: str, wait_seconds: float = WAIT_SECONDS) -> None:
        """Make a version the active one, atomically.

        Raises UnknownVersion, ModelDamaged (its manifest), StoreUnavailable (others keep the lock), OSError.
        """
        for _slice in self.activating(version, wait_seconds):
            pass

    def activating(self, version: str, wait_seconds: float) -> Generator[None, None, None]:
        """The same in slices, since a disk takes its time. Until the last one nothing has changed."""
        self.read(version)
        yield from self._moving(lambda: self.pointers.after(version), wait_seconds)

    def roll_back(self, version: str | None = None, wait_seconds: float = WAIT_SECONDS) -> str:
        """Make the version that was active before the active one again, and forget what came after; returns it.

        `version`: what `previous` said, where it was looked at in between. Raises as `activate` and `previous` do.
        """
        target = version or self.previous()
        for _slice in self.rolling_back(target, wait_seconds):
            pass
        return target

    def rolling_back(self, version: str, wait_seconds: float) -> Generator[None, None, None]:
        """The same in slices, as `activating`."""
        self.read(version)
        yield from self._moving(lambda: self.pointers.before(version), wait_seconds, back=True)

    def _moving(self, history: Callable[[], list[str]], wait_seconds: float, *, back: bool = False) -> Iterator[None]:
        """Nobody else waits while files are flushed: the lock is for the moment in which they are shown."""
        is_done = False
        while not is_done:
            seen = self.pointers.signature()
            with staging.staging_folder(self.root) as folder:
                yield from self.pointers.written(folder, history())
                with locking.changing(self.root, wait_seconds):
                    is_done = self.pointers.signature() == seen  # else another was faster, and the history is another
                    if is_done:
                        self.pointers.show(folder, back=back)

    def is_whole(self, version: str) -> bool:
        """Whether a version is there, and all of its files have their sizes."""
        return (self.root / version).is_dir() and self._stored(version).damaged is None

    def take_in(self, folder: Path, version: str) -> None:
        """Make a staging folder that holds a whole version visible, in place of a damaged one of that name.

        Raises StoreUnavailable, OSError. Where another process was faster, its one stays.
        """
        with locking.changing(self.root):
            if self.is_whole(version):
                return
            if (self.root / version).exists():
                with staging.staging_folder(self.root) as away:
                    (self.root / version).rename(away / version)
            folder.rename(self.root / version)
            durable.sync_folder(self.root)

    def hold(self, version: str) -> Hold:
        """Say that this process has a version loaded, so that nobody prunes it. Raises UnknownVersion, OSError."""
        return locking.hold(self.folder(version))

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` intact versions; returns the names of what is gone.

        The active one stays, the one to roll back to, and what a process of this machine has loaded: its mapped files
        would outlive their names, but it may open them again. Raises StoreUnavailable, OSError.
        """
        return list(dict.fromkeys(filter(None, self.pruning(keep))))

    def pruning(self, keep: int) -> Generator[str | None, None, None]:
        """The same in slices, since a large file takes its time: yields a version's name after each of its files, and
        None while it looks for what is to go."""
        older = yield from self._older(keep)
        if not older:
            return
        with staging.staging_folder(self.root) as folder:
            with locking.changing(self.root):
                needed = self._needed()
                removed = [each for each in older if each not in needed and self._take_out(each, folder)]
                durable.sync_folder(self.root)
            for version in removed:
                yield version
                for path in sorted((folder / version).iterdir()):
                    if path.is_file():
                        path.unlink()
                    yield version

    def _older(self, keep: int) -> Generator[None, None, list[str]]:
        """What is older than the newest `keep` intact versions, and not needed, newest first."""
        needed, intact, older = self._needed(), 0, []
        for version in self._names():
            if intact < keep:
                intact += self.is_whole(version)
                yield
            elif version not in needed:
                older.append(version)
        return older

    def _needed(self) -> set[str]:
        """The active version, and the one to roll back to."""
        needed = set(self.pointers.history()[-1:])
        with suppress(NoPreviousVersion):
            needed.add(self.previous())
        return needed

    def _take_out(self, version: str, folder: Path) -> bool:
        """Move a version out of sight by one rename, whole; what a crash leaves there is swept. Whether it went."""
        if not (self.root / version).is_dir():
            return False
        with locking.unless_held(self.root / version) as free:
            if free:
                (self.root / version).rename(folder / version)
        return free

    @contextmanager
    def stage(self) -> Iterator[Staging]:
        """A place to write a new version's files. What is not published is removed at the end. Raises OSError."""
        with staging.staging_folder(self.root) as folder:
            yield Staging(self.root, folder, self._clock)

    def sweep_staging(self) -> list[str]:
        """Remove what processes that were killed left half written; returns the names of the folders."""
        return staging.sweep(self.root)

    def _stored(self, version: str) -> StoredVersion:
        try:
            described = self.read(version)
            self._check_sizes(described)
        except (ModelDamaged, UnknownVersion) as error:
            return StoredVersion(version, None, str(error))
        return StoredVersion(version, described, None)

    def _check_sizes(self, described: Manifest) -> None:
        for name, entry in described.files.items():
            found = _regular_size(self.root / described.version / name)
            if found != entry.size:
                raise ModelDamaged(described.version, name, f"{entry.size} bytes", _size_text(found))

    def _check_hash(self, version: str, name: str, entry: FileEntry) -> Iterator[None]:
        digest = hashlib.sha256()
        try:
            for piece in _slices(self.root / version / name):
                digest.update(piece)
                yield
        except OSError as error:
            raise ModelDamaged(version, name, "a readable file", error.strerror) from error
        if digest.hexdigest() != entry.sha256:
            raise ModelDamaged(version, name, f"SHA-256 {entry.sha256}", digest.hexdigest())


def _new_version(root: Path, created_at: int, algorithm: str) -> str:
    if not _ALGORITHM.fullmatch(algorithm):
        raise ValueError(f"algorithm: expected up to 20 letters and digits, or two such joined by +, got {algorithm!r}")
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(created_at))
    while True:
        version = f"{moment}-{algorithm.lower().replace('+', '')}-{secrets.token_hex(3)}"
        if not (root / version).exists():
            return version


def entry_of(path: Path) -> FileEntry:
    """A file as a manifest lists it, flushed. Raises ValueError for what no version's file may be, OSError."""
    size = _regular_size(path)
    if size is None or not manifest.is_artifact_name(path.name):
        raise ValueError(f"a version's files: expected plain files with plain names, got {path.name!r}")
    durable.sync_file(path)
    digest = hashlib.sha256()
    for piece in _slices(path):
        digest.update(piece)
    return FileEntry(size, digest.hexdigest())


def _slices(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(SLICE_BYTES):
            yield piece


def _regular_size(path: Path) -> int | None:
    """Bytes, or None for what is not there or no regular file (opening a pipe would wait for ever)."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _size_text(size: int | None) -> str:
    return "no such file" if size is None else f"{size} bytes"
