"""Which data to learn from, and which home keeps its models."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from port_worker.config import WORLD_FILE, default_home, settings
from port_worker.repl.errors import CommandError
from port_worker.repl.progress import Report
from port_worker.sources.base import Source
from port_worker.sources.definition import DEFAULT_NAME
from port_worker.sources.registry import is_database, open_source

_STEM_CHARACTERS = 40


@dataclass(frozen=True)
class World:
    """The data of a session.

    `home` is the worker's; `base` is the user's, which keeps the history of the prompt. `fixture` is where the seeded
    world is made if it is absent, or None when the user brings data.
    """

    base: Path
    home: Path
    source: Source
    fixture: Path | None
    algorithm: str  # what to train when nobody names one

    @property
    def brought(self) -> str | None:
        """The location of the user's own file; None where the worker finds its source as this session did."""
        return None if self.home == self.base else self.source.spec


def choose_world(home: Path | None, data: str | None) -> World:
    """The world of `--home` and `--data`; touches no file.

    A file of the user's own gets a home of its own below the base, so that models of different data never mix. Raises
    SourceError for a file of no known kind, CommandError for a setting in the environment that cannot be used.
    """
    base = (home or default_home()).expanduser().absolute()
    try:
        chosen = settings(base)
    except ValueError as error:
        raise CommandError("invalid_argument", str(error)) from None
    if data is not None:
        if is_database(data):
            expected = "the path of a file; a database is named in port_worker.toml, where its password is not shown"
            raise CommandError("invalid_argument", f"--data: expected {expected}")
        source = open_source(data)
        return World(base, base / "data" / _folder_of(source), source, None, chosen.algorithm)
    source = open_source(chosen.source)
    fixture = base / WORLD_FILE
    own = chosen.default_source == DEFAULT_NAME and source.spec == f"sqlite:{fixture}"
    return World(base, base, source, fixture if own else None, chosen.algorithm)


def prepare(world: World, report: Report) -> None:
    """Make the home, and the seeded world where it is wanted; else look at the head of the user's data.

    Raises SourceError when the data is missing or not what it should be, CommandError when the home cannot be written.
    """
    try:
        world.home.mkdir(parents=True, exist_ok=True)
        if world.fixture is not None and not world.fixture.exists():
            _make_fixture(world.fixture, report)
    except (OSError, sqlite3.Error) as error:
        why = str(getattr(error, "strerror", None) or error).lower()
        raise CommandError("home_unusable", f"{world.home}: {why}", {"home": str(world.home)}) from None
    world.source.resolve_user("")  # reads no more than the head, and raises for what is not there or not its format


def _make_fixture(path: Path, report: Report) -> None:
    from port_worker.fixture.database import write_world

    report.note(f"making a world to try things on: {path}")
    try:
        written = write_world(path)
    except FileExistsError:
        return  # another REPL was faster
    report.note(f"made {written.users:,} users, {written.public_items:,} public items and {written.visits:,} visits")


def _folder_of(source: Source) -> str:
    """A readable name, made unique by a digest of where the file really is."""
    path = Path(source.spec.partition(":")[2]).resolve()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:_STEM_CHARACTERS]
    return f"{stem}-{hashlib.sha256(str(path).encode(errors='surrogateescape')).hexdigest()[:8]}"
