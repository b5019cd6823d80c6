"""One function per subcommand, named as it is with an underscore: what it finds out, as data.

They raise StoreError and OSError. `ok` of a result decides the exit status.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from port_worker.sources.columns import Id
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.sources.registry import open_source
from port_worker.store.errors import NoPreviousVersion, StoreError, StoreUnavailable
from port_worker.store.manifest import Manifest
from port_worker.store.remote import RemoteStore
from port_worker.versions.place import Place, note


@dataclass(frozen=True)
class VersionLine:
    """One version. watermark: Unix seconds, of the latest interaction that it learnt. cached: it is on this machine."""

    version: str
    active: bool
    algorithm: str | None
    kind: str | None
    users: int | None
    items: int | None
    rows: int | None
    bytes: int | None
    watermark: int | None
    damaged: str | None
    cached: bool = True


@dataclass(frozen=True)
class Listed:
    """The versions, newest first, the active one, and the one that `rollback` goes to."""

    ok: ClassVar[bool] = True
    active: str | None
    previous: str | None
    versions: list[VersionLine]


@dataclass(frozen=True)
class Shown:
    """A manifest; `watermark` and `metrics` are in its facts, and here by name."""

    ok: ClassVar[bool] = True
    active: bool
    watermark: int | None
    metrics: dict[str, Any]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Switched:
    """The version that is active now, and the one that was."""

    ok: ClassVar[bool] = True
    version: str
    previous: str | None


@dataclass(frozen=True)
class Verified:
    """Each version that was checked, with what is wrong with it, or None."""

    versions: dict[str, str | None]

    @property
    def ok(self) -> bool:
        """Whether all are intact."""
        return not any(self.versions.values())


@dataclass(frozen=True)
class Pruned:
    """The versions that are gone: from this machine, and from the remote store where there is one."""

    ok: ClassVar[bool] = True
    removed: list[str]
    removed_remotely: list[str]


@dataclass(frozen=True)
class Written:
    """A page, and the file that it is in."""

    ok: ClassVar[bool] = True
    version: str
    file: str


Result: TypeAlias = Listed | Shown | Switched | Verified | Pruned | Written


def list_(place: Place, _args: argparse.Namespace) -> Listed:
    """What there is."""
    active = place.store.pointers.active()
    here = [_line(stored.version, active, stored.manifest, stored.damaged) for stored in place.store.versions()]
    lines = sorted([*here, *_elsewhere(place, active, {line.version for line in here})], key=_name, reverse=True)
    try:
        previous = place.store.previous()
    except NoPreviousVersion:
        previous = None
    return Listed(active, previous, lines)


def _name(line: VersionLine) -> str:
    return line.version


def _elsewhere(place: Place, active: str | None, here: set[str]) -> Iterator[VersionLine]:
    if place.remote is None:
        return
    try:
        found = place.remote.versions()
    except StoreUnavailable as error:
        note(error)
        return
    yield from (_remote_line(place.remote, version, active) for version in found if version not in here)


def _remote_line(remote: RemoteStore, version: str, active: str | None) -> VersionLine:
    try:
        return _line(version, active, remote.describe(version), None, cached=False)
    except StoreError as error:
        return _line(version, active, None, str(error), cached=False)


def _line(
    version: str, active: str | None, manifest: Manifest | None, damaged: str | None, *, cached: bool = True
) -> VersionLine:
    if manifest is None:
        return VersionLine(version, version == active, None, None, None, None, None, None, None, damaged, cached)
    counts = (manifest.users, manifest.items, manifest.rows, manifest.total_size, manifest.watermark)
    return VersionLine(version, version == active, manifest.algorithm, manifest.kind, *counts, damaged, cached)


def show_(place: Place, args: argparse.Namespace) -> Shown:
    """One version's manifest; of one that is elsewhere too."""
    cached = place.remote is None or place.store.is_whole(args.version)
    manifest = place.store.read(args.version) if cached or place.remote is None else place.remote.describe(args.version)
    active = place.store.pointers.active() == manifest.version
    return Shown(active, manifest.watermark, manifest.metrics, asdict(manifest))


def activate_(place: Place, args: argparse.Namespace) -> Switched:
    """Make a version active whose files are what they were."""
    return _switched(place, args.version, place.store.pointers.after, place.store.activate)


def rollback_(place: Place, _args: argparse.Namespace) -> Switched:
    """Make the version active that was before."""
    return _switched(place, place.store.previous(), place.store.pointers.before, place.store.roll_back)


def _switched(
    place: Place, version: str, history: Callable[[str], list[str]], point: Callable[[str], object]
) -> Switched:
    place.fetch(version)
    for _slice in place.store.verify(version):
        pass
    previous = place.store.pointers.active()
    if place.mirror is not None:
        try:
            place.mirror.publish(history(version))
        except StoreUnavailable as error:
            note(error)  # it is told later, by the next worker or program that reaches it
    point(version)
    return Switched(version, previous)


def verify_(place: Place, args: argparse.Namespace) -> Verified:
    """Whether files are what was published: of one version, of all, or of the active one."""
    if args.all:
        return Verified({stored.version: _wrong(place, stored.version) for stored in place.store.versions()})
    version = args.version or place.store.active()
    if version is None:
        return Verified({})
    place.store.folder(version)
    return Verified({version: _wrong(place, version)})


def _wrong(place: Place, version: str) -> str | None:
    try:
        for _slice in place.store.verify(version):
            pass
    except StoreError as error:
        return str(error)
    return None


def prune_(place: Place, args: argparse.Namespace) -> Pruned:
    """Remove all but the newest versions and those that are needed."""
    keep = args.keep or place.keep
    place.store.sweep_staging()
    removed = place.store.prune(keep)
    return Pruned(removed, place.remote.prune(keep) if place.remote is not None else [])


def report_(place: Place, args: argparse.Namespace) -> Written:
    """One version as a page, its items by name where the source that it has learnt from can still be asked."""
    from port_worker.report.findings import findings
    from port_worker.report.page import page

    place.fetch(args.version)
    source = place.sources.get(place.store.read(args.version).source)
    found = findings(place.store, args.version, lambda ids: _names(source, ids))
    file = args.output or Path(f"{args.version}.html")
    file.write_text(page(found), encoding="utf-8")
    return Written(args.version, str(file.absolute()))


def _names(source: SourceDefinition | None, ids: Sequence[Id]) -> dict[Id, str]:
    if source is None:
        return {}
    try:
        cards = open_source(source).items(ids)
    except SourceError as error:
        note(error)
        return {}
    return {item: card.name for item, card in cards.items() if card.name is not None}
