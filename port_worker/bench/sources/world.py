"""Interactions of a size in a PostgreSQL of one's own."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import psycopg2

from port_worker.bench.postgresql import PostgresqlServer

USERS, ITEMS = 200_000, 50_000
_ROWS_AT_ONCE = 200_000
_KIND = b"visit"
_SCHEMA = """
    CREATE UNLOGGED TABLE users (id uuid, username text, display_name text);
    CREATE UNLOGGED TABLE items (id uuid, kind text, name text, is_public boolean);
    CREATE UNLOGGED TABLE interactions
        (id bigint, user_id uuid, item_id uuid, kind text, weight float8, time timestamptz);"""
_ROW = np.dtype([
    ("columns", ">i2"),
    ("id_length", ">i4"), ("id", ">i8"), ("user_length", ">i4"), ("user", "V16"),
    ("item_length", ">i4"), ("item", "V16"), ("kind_length", ">i4"), ("kind", f"S{len(_KIND)}"),
    ("weight_length", ">i4"), ("weight", ">f8"), ("time_length", ">i4"), ("time", ">i8"),
])  # fmt: skip
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_SECOND = 1_000_000
_COLUMNS = 6


def write(server: PostgresqlServer, rows: int, seed: int, progress: Callable[[int], None]) -> None:
    """Tables with so many interactions, one a second, of which a twentieth is with items that are not public."""
    random = np.random.default_rng(seed)
    users, items = (np.frombuffer(random.bytes(16 * count), "V16") for count in (USERS, ITEMS))
    with closing(psycopg2.connect(server.location())) as connection, connection, connection.cursor() as cursor:
        cursor.execute(_SCHEMA)
        lines = (f"{item.tobytes().hex()}\tmap\tn\t{n % 20 > 0}\n" for n, item in enumerate(items))
        cursor.copy_expert("COPY items FROM STDIN", io.StringIO("".join(lines)))
        for start in range(0, rows, _ROWS_AT_ONCE):
            page = _page(random, start, min(rows, start + _ROWS_AT_ONCE), users, items)
            cursor.copy_expert("COPY interactions FROM STDIN (FORMAT binary)", io.BytesIO(page))
            progress(start + _ROWS_AT_ONCE)
        cursor.execute("ALTER TABLE interactions ADD PRIMARY KEY (id)")
    with closing(psycopg2.connect(server.location())) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE interactions")


def _page(random: np.random.Generator, start: int, stop: int, users: Any, items: Any) -> bytes:
    count = stop - start
    page = np.zeros(count, _ROW)
    page["columns"] = _COLUMNS
    for name in ("id", "user", "item", "kind", "weight", "time"):
        page[f"{name}_length"] = _ROW[name].itemsize
    page["id"] = np.arange(start, stop)
    page["user"] = users[(random.random(count) ** 2 * len(users)).astype(np.int64)]
    page["item"] = items[(random.random(count) ** 2 * len(items)).astype(np.int64)]
    page["kind"], page["weight"] = _KIND, 1.0
    page["time"] = np.arange(start, stop) * _SECOND
    return _HEADER + page.tobytes() + _END
