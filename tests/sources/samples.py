"""A world of five interactions, and the types of what writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from port_worker.bench.postgresql import PostgresqlServer
from port_worker.sources.back_off import BackOff, Sleep
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.postgresql import PostgresqlSource
from port_worker.sources.server import Dialect, Server

WriteCsv = Callable[[str | bytes], Path]
WriteSqlite = Callable[..., Path]


@dataclass(frozen=True)
class Database:
    """An empty schema of a real PostgreSQL, and the server that it is in."""

    server: PostgresqlServer
    name: str = "postgres"

    @property
    def location(self) -> str:
        return self.server.location(self.name)

    def run(self, statements: str) -> list[tuple[Any, ...]]:
        """Run SQL, and give the rows of the last statement."""
        with closing(psycopg2.connect(self.location)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statements)
            return cursor.fetchall() if cursor.description else []

    def source(
        self, *, sleep: Sleep | None = None, dialect: Dialect | None = None, **definition: Any
    ) -> PostgresqlSource:
        """The source of this database, which waits by `sleep`; pauses are refused where there is none."""
        defined = SourceDefinition(self.location, "uro", **definition)
        server = Server(self.location, defined, dialect)
        return PostgresqlSource(self.location, defined, server=server, back_off=lambda: BackOff(sleep or no_pause))


def no_pause(_seconds: float) -> None:
    raise AssertionError("nothing was to fail")


def fill(database: Database, rows: int, key: str = "id bigint PRIMARY KEY, ") -> None:
    """As many interactions of UUIDs, one a second, between 10 users and 7 items, of which one is not public."""
    database.run(f"""
        CREATE TABLE items (id uuid PRIMARY KEY, kind text, name text, is_public boolean);
        INSERT INTO items SELECT md5('i' || n)::uuid, 'map', 'Item ' || n, n > 0 FROM generate_series(0, 6) AS n;
        CREATE TABLE users (id uuid PRIMARY KEY, username text, display_name text);
        INSERT INTO users SELECT md5('u' || n)::uuid, 'u' || n, 'User ' || n FROM generate_series(0, 9) AS n;
        CREATE TABLE interactions ({key}user_id uuid, item_id uuid, kind text, weight float8, time timestamptz);
        INSERT INTO interactions SELECT {"n, " if key else ""}md5('u' || n % 10)::uuid, md5('i' || n % 7)::uuid,
            CASE WHEN n % 5 = 0 THEN 'favourite' ELSE 'visit' END, 1, to_timestamp(1000 + n)
        FROM generate_series(0, {rows - 1}) AS n;
        ANALYZE interactions""")


SCHEMA = """
CREATE TABLE users (id, username, display_name);
CREATE TABLE items (id, kind, name, is_public);
CREATE TABLE interactions (user_id, item_id, kind, weight, time);
"""
USERS = [("u1", "ada", "Ada Bell"), ("u2", "bao", "Bao Ito")]
ITEMS = [("m1", "map", "Mossy Grove", 1), ("a1", "avatar", "Frosty Fox", 1), ("p1", "prop", "Secret Drum", 0)]
INTERACTIONS = [
    ("u1", "m1", "visit", 1.0, 100),
    ("u1", "a1", "visit", 1.0, 200),
    ("u1", "a1", "favourite", 3.0, 200),
    ("u1", "p1", "visit", 1.0, 300),
    ("u2", "m1", "visit", 1.0, 400),
]
