"""Versions in object storage, or wherever else fsspec reaches; a ModelStore is their cache on this machine.

    URL/<version>/manifest.json, *.npy     the manifest is uploaded last: without it there is no such version
    URL/ACTIVE, HISTORY                    as in `pointers`

Replacing one small object is atomic there, and there are no locks: of two that activate at once, the last one wins.
Whatever the network or the library under fsspec raises is StoreUnavailable. Nothing here is for the loop's thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from port_worker.store import durable, manifest, staging
from port_worker.store.errors import ModelDamaged, StoreError, StoreUnavailable, UnknownVersion
from port_worker.store.manifest import Manifest, ManifestError, is_version_name
from port_worker.store.models import ModelStore, entry_of
from port_worker.store.pointers import ACTIVE, HISTORY, joined, up_to_active

_MOST_UPLOADS = 3


class RemoteStore:
    """The versions under a URL such as `s3://bucket/prefix`, `file:///mnt/models` or `memory://models`.

    Every method may raise StoreUnavailable.
    """

    def __init__(self, url: str, cache: ModelStore) -> None:
        self.cache = cache
        self._shown = shown(url)
        with self._reaching():
            from fsspec.core import url_to_fs  # a store in a folder does without

            files, root = url_to_fs(url, use_listings_cache=False)
        self._files: Any = files
        self._root: str = root.rstrip("/")
        self._is_folder = "file" in _protocols(files)
        if self._is_folder:
            with self._reaching():
                staging.sweep(Path(self._root))

    def active(self) -> str | None:
        """The active version's name; None before the first activation, and for what is no name."""
        text = (self._text(ACTIVE) or "").strip()
        return text if is_version_name(text) else None

    def history(self) -> list[str]:
        """As `Pointers.history`."""
        return up_to_active((self._text(HISTORY) or "").split(), self.active())

    def versions(self) -> list[str]:
        """The names of all versions, newest first."""
        return [name for name in self._folders() if self._has(name)]

    def push(self, version: str) -> bool:
        """Upload a version of the cache, unless it is there. Returns whether it was not.

        Who prunes meanwhile may take it for one that was uploaded in part: then it is uploaded again. Raises
        UnknownVersion, ModelDamaged.
        """
        if self._has(version):
            return False
        described = self.cache.read(version)
        with self._reaching():
            for _time in range(_MOST_UPLOADS):
                with suppress(FileNotFoundError):  # its folder is gone
                    self._upload(described)
                    if self._is_whole(described):
                        return True
        expected = f"{version} to be whole once it is uploaded"
        raise StoreUnavailable(self._shown, expected, "files of it that others have removed")

    def _upload(self, described: Manifest) -> None:
        version, folder = described.version, self.cache.folder(described.version)
        self._files.makedirs(f"{self._root}/{version}", exist_ok=True)
        for name in described.files:
            self._files.put_file(str(folder / name), f"{self._root}/{version}/{name}")
        self._write(f"{version}/{manifest.FILE_NAME}", (folder / manifest.FILE_NAME).read_bytes())

    def _is_whole(self, described: Manifest) -> bool:
        self._files.invalidate_cache()
        found = self._files.ls(f"{self._root}/{described.version}", detail=True)
        sizes = {str(each["name"]).rpartition("/")[2]: each["size"] for each in found}
        return all(sizes.get(name) == entry.size for name, entry in described.files.items())

    def point(self, history: Sequence[str]) -> None:
        """Make a history's last version, which is there, the active one."""
        with self._reaching():
            self._files.makedirs(self._root, exist_ok=True)
            self._write(HISTORY, joined(history))
            self._write(ACTIVE, f"{history[-1]}\n".encode())

    def pull(self, version: str) -> bool:
        """Download a version into the cache, unless it is there whole. Returns whether it was not.

        It is checked file by file before it becomes visible, by one rename. Raises UnknownVersion, ModelDamaged.
        """
        if self.cache.is_whole(version):
            return False
        described = self.describe(version)
        with staging.staging_folder(self.cache.root) as folder:
            for name, expected in described.files.items():
                self._get(f"{version}/{name}", folder / name)
                found = entry_of(folder / name)
                if found != expected:
                    raise ModelDamaged(version, name, expected, found)
            durable.write_file(folder / manifest.FILE_NAME, described.to_json())
            durable.sync_folder(folder)
            self.cache.take_in(folder, version)
        return True

    def describe(self, version: str) -> Manifest:
        """A version's manifest. Raises UnknownVersion, ModelDamaged."""
        data = self._read(f"{version}/{manifest.FILE_NAME}") if is_version_name(version) else None
        if data is None:
            raise UnknownVersion(version)
        try:
            described = Manifest.from_json(data)
        except ManifestError as error:
            raise ModelDamaged(version, manifest.FILE_NAME, error.expected, error.found) from error
        if described.version != version:
            raise ModelDamaged(version, manifest.FILE_NAME, f"version {version}", described.version)
        return described

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` versions, the active one and the one before it; returns the names.

        Whoever serves one of them has it in a cache. What was uploaded in part goes with its time, too.
        """
        needed = {*self.history()[-2:], *self.versions()[:keep]}
        old = [name for name in self._folders() if name not in needed and needed and name < max(needed)]
        with self._reaching():
            for name in old:
                with suppress(FileNotFoundError):  # another was faster
                    if self._has(name):
                        self._files.rm_file(f"{self._root}/{name}/{manifest.FILE_NAME}")  # from here on it is none
                    self._files.rm(f"{self._root}/{name}", recursive=True)
        return old

    def _folders(self) -> list[str]:
        with self._reaching():
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._root, detail=False)
            except FileNotFoundError:
                return []
        names = [str(path).rstrip("/").rpartition("/")[2] for path in found]
        return sorted(filter(is_version_name, names), reverse=True)

    def _has(self, version: str) -> bool:
        return is_version_name(version) and self._read(f"{version}/{manifest.FILE_NAME}") is not None

    def _text(self, name: str) -> str | None:
        data = self._read(name)
        return None if data is None else data.decode("ascii", "replace")

    def _read(self, name: str) -> bytes | None:
        with self._reaching():
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def _get(self, name: str, path: Path) -> None:
        with self._reaching():
            try:
                self._files.get_file(f"{self._root}/{name}", str(path))
            except FileNotFoundError:
                version, _, file = name.partition("/")
                raise ModelDamaged(version, file, "a file in the store", "none") from None

    def _write(self, name: str, data: bytes) -> None:
        """Replace one object whole: what object stores do by themselves, and a file system by a rename."""
        path = f"{self._root}/{name}"
        if not self._is_folder:
            self._files.pipe_file(path, data)
            return
        with staging.staging_folder(Path(self._root)) as folder:
            durable.write_file(folder / "object", data)
            os.replace(folder / "object", path)  # noqa: PTH105 fsspec's paths are texts
            durable.sync_folder(Path(path).parent)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as error:  # each library under fsspec has exceptions of its own
            found = f"{type(error).__name__}: {error}"
            raise StoreUnavailable(self._shown, "a store that can be reached and written", found) from error


def shown(url: str) -> str:
    """A URL for people, without a password that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)
