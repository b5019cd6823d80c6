"""Which version is active, and which were before: two small files, each replaced whole.

    ROOT/ACTIVE     the active version's name
    ROOT/HISTORY    names in the order of their activation, one a line; the active one is the last of them

`ACTIVE` alone decides. An activation writes the history first and a roll-back writes it last, and what follows the
active version in it counts for nothing: so a crash between the two files loses no version that can be rolled back to.
Whoever writes holds the store's lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from port_worker.store import durable, staging
from port_worker.store.manifest import is_version_name

ACTIVE = "ACTIVE"
HISTORY = "HISTORY"
MOST_REMEMBERED = 32
"""Activations that are remembered."""
_MAX_BYTES = 200 * MOST_REMEMBERED

Signature = tuple[int, int, int]


class Pointers:
    """The two files in the folder `root`, which need not exist. Versions that they name may have gone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def active(self) -> str | None:
        """What `ACTIVE` says, whatever it is; None where it is not there. Raises OSError."""
        return _read(self._root / ACTIVE, 200)

    def signature(self) -> Signature | None:
        """Another one after each activation, by a look that reads nothing; None before the first."""
        try:
            found = (self._root / ACTIVE).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def history(self) -> list[str]:
        """Names of versions, the active one last; empty before the first activation. Raises OSError."""
        lines = (_read(self._root / HISTORY, _MAX_BYTES) or "").split()
        return up_to_active(lines, self.active())

    def after(self, version: str) -> list[str]:
        """The history as it is once a version was activated."""
        names = self.history()
        return names if names[-1:] == [version] else [*names, version]

    def before(self, version: str) -> list[str]:
        """The history as it is once the roll-back to a version was made."""
        names = self.history()[:-1]
        return [*names[: _last(names, version)], version]

    def move(self, history: Sequence[str], *, back: bool = False) -> None:
        """Make a history's last version the active one, atomically. Raises OSError."""
        with staging.staging_folder(self._root) as folder:
            for _file in self.written(folder, history):
                pass
            self.show(folder, back=back)

    def written(self, folder: Path, history: Sequence[str]) -> Iterator[None]:
        """Write both files into a folder, each flushed before the next yield. Raises OSError."""
        for name, content in ((HISTORY, joined(history)), (ACTIVE, f"{history[-1]}\n".encode())):
            durable.write_file(folder / name, content)
            yield

    def show(self, folder: Path, *, back: bool = False) -> None:
        """Put the files that were written there in the place of those that count. Raises OSError."""
        for name in (ACTIVE, HISTORY) if back else (HISTORY, ACTIVE):
            (folder / name).replace(self._root / name)
            durable.sync_folder(self._root)


def joined(history: Sequence[str]) -> bytes:
    """The content of `HISTORY`."""
    return "".join(f"{name}\n" for name in history[-MOST_REMEMBERED:]).encode()


def up_to_active(lines: Sequence[str], active: str | None) -> list[str]:
    """The versions' names among some lines, up to the last mention of the active one, which is last in any case."""
    names = [line for line in lines if is_version_name(line)]
    if active is None or not is_version_name(active):
        return names
    return [*names[: _last(names, active)], active]


def replace_file(root: Path, name: str, data: bytes) -> None:
    """Replace a small file of a store whole. Raises OSError."""
    with staging.staging_folder(root) as folder:
        durable.write_file(folder / name, data)
        (folder / name).replace(root / name)
        durable.sync_folder(root)


def _read(path: Path, most: int) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(most).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def _last(names: Sequence[str], version: str) -> int:
    """The place of a version's last mention; the end where there is none."""
    return len(names) - 1 - names[::-1].index(version) if version in names else len(names)
