from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from port_worker.bench.postgresql import PostgresqlServer, is_installed
from tests.sources.samples import INTERACTIONS, ITEMS, SCHEMA, USERS, Database, WriteCsv, WriteSqlite


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A real PostgreSQL, one for the session; where nothing may be left out, its absence is a failure."""
    if not is_installed():
        reason = "the package `pgserver` is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Database:
    """An empty schema of it."""
    made = Database(postgresql)
    made.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return made


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Writes a CSV file, text as UTF-8, and gives its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "visits.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def write_sqlite(tmp_path: Path) -> WriteSqlite:
    """Writes a SQLite file with the tables that the source reads, and gives its path."""

    def write(
        interactions: Iterable[tuple[object, ...]] = INTERACTIONS,
        items: Iterable[tuple[object, ...]] = ITEMS,
        schema: str = SCHEMA,
    ) -> Path:
        path = tmp_path / "world.sqlite"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(schema)
            connection.executemany("INSERT INTO users VALUES (?, ?, ?)", USERS)
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", items)
            connection.executemany("INSERT INTO interactions VALUES (?, ?, ?, ?, ?)", interactions)
        return path

    return write
