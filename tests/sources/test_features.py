"""Which columns of a SQLite file are features, and what is refused in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from port_worker.sources.errors import SourceError
from port_worker.sources.features import MAX_CATEGORIES, MAX_KINDS, NO_KIND, FeatureTable
from port_worker.sources.sqlite import SqliteSource
from tests.sources.samples import SCHEMA, WriteSqlite

Write = Callable[[str, Sequence[object]], SqliteSource]


@pytest.fixture
def with_column(write_sqlite: WriteSqlite) -> Write:
    """Writes a file whose items i000, i001, ... have these values in a column of this name."""

    def write(name: str, values: Sequence[object]) -> SqliteSource:
        path = write_sqlite(items=[(f"i{row:03}", "map", f"Item {row}", 1) for row in range(len(values))])
        run(path, f'ALTER TABLE items ADD COLUMN "{name}"')
        with closing(sqlite3.connect(path)) as connection, connection:
            changes = [(value, f"i{row:03}") for row, value in enumerate(values)]
            connection.executemany(f'UPDATE items SET "{name}" = ? WHERE id = ?', changes)
        return SqliteSource(path)

    return write


def run(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(statements)


def item_ids(count: int) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    return np.array([f"i{row:03}".encode() for row in range(count)])


def of_items(source: SqliteSource, count: int) -> FeatureTable:
    table = source.item_features(item_ids(count))
    assert table is not None
    return table


def refusal(source: SqliteSource, count: int) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.item_features(item_ids(count))
    assert caught.value.code == "source_invalid_row"
    return caught.value


def test_text_of_few_values_is_sparse_and_null_and_empty_are_unknown(with_column: Write) -> None:
    column = of_items(with_column("style", ["neon", "arctic", None, "neon", "", "arctic"]), 6).sparse["style"]
    assert column.vocabulary == ("arctic", "neon")
    assert column.codes.tolist() == [1, 0, -1, 1, -1, 0]
    assert column.codes.dtype == np.int32


def test_numbers_are_dense_and_null_is_unknown(with_column: Write) -> None:
    column = of_items(with_column("size_kb", [3, None, 2.5, -1]), 4).dense["size_kb"]
    assert column.values.tolist() == [3, 0, 2.5, -1]
    assert column.known.tolist() == [True, False, True, True]
    assert column.values.dtype == np.float32
    assert column.known.dtype == np.bool_


def test_rows_are_in_the_order_of_the_ids_and_absent_ids_unknown(with_column: Write) -> None:
    source = with_column("size_kb", [10, 11, 12, 13])
    table = source.item_features(np.array([b"i002", b"gone", b"i000"]))
    assert table is not None
    assert table.dense["size_kb"].values.tolist() == [12, 0, 10]
    assert table.dense["size_kb"].known.tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["uploader_id", "tags", "inserted_at", "x" * 256])
def test_some_columns_are_never_features(with_column: Write, name: str) -> None:
    table = of_items(with_column(name, ["x"] * 4), 4)
    assert (set(table.sparse), set(table.dense)) == ({"kind"}, set())


@pytest.mark.parametrize(
    "values",
    [
        [f"word {row}" for row in range(600)],
        [f"word {row % (MAX_CATEGORIES + 1)}" for row in range(600)],
        ["a", "b", "c", "c"],
        ["x" * 256] * 4,
        [b"PNG"] * 4,
        [None] * 4,
    ],
    ids=["all different", "too many", "hardly shared", "prose", "bytes", "nothing"],
)
def test_other_columns_are_no_features(with_column: Write, values: list[object]) -> None:
    table = of_items(with_column("extra", values), len(values))
    assert (set(table.sparse), set(table.dense)) == ({"kind"}, set())


def test_as_many_categories_as_may_be(with_column: Write) -> None:
    values = [f"word {row % MAX_CATEGORIES}" for row in range(2 * MAX_CATEGORIES)]
    assert len(of_items(with_column("extra", values), len(values)).sparse["extra"].vocabulary) == MAX_CATEGORIES


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, 2, float("inf"), 4], "a finite number"),
        ([1.5, 2, 1e39, 4], "a finite number"),
        ([1.5, 2, "many", 4], "a finite number"),
        (["a", "a", 7, "a", "a"], "text of 1 to 255 bytes"),
        (["a", "a", "a\0b", "a"], "text of 1 to 255 bytes"),
        (["a", "a", b"a", "a"], "text of 1 to 255 bytes"),
    ],
)
def test_a_wrong_value_is_named_by_item_and_column(with_column: Write, values: list[object], expected: str) -> None:
    error = refusal(with_column("extra", values), len(values))
    assert (error.details["item"], error.details["column"]) == ("i002", "extra")
    assert f"item i002, column extra: expected {expected}" in error.message


def test_text_that_is_no_utf8_is_refused(with_column: Write) -> None:
    source = with_column("style", ["neon"] * 4)
    run(source.path, "UPDATE items SET style = CAST(x'6eff' AS TEXT) WHERE id = 'i001'")
    assert refusal(source, 4).details["item"] == "i001"


def test_what_is_not_asked_for_is_not_judged(with_column: Write) -> None:
    table = of_items(with_column("size_kb", [1, 2, 3, float("inf")]), 3)
    assert table.dense["size_kb"].values.tolist() == [1, 2, 3]


def test_private_items_tell_nothing(with_column: Write) -> None:
    source = with_column("style", ["neon", "neon", "neon", "neon", "secret"])
    run(source.path, "UPDATE items SET is_public = 0, kind = 'hidden' WHERE id = 'i004'")
    assert of_items(source, 5).sparse["style"].vocabulary == ("neon",)
    assert source.item_kinds(item_ids(5)).names == ("map",)


def test_any_name_of_a_column_is_read(with_column: Write) -> None:
    name = 'größe, "x"; --'
    source = with_column(name.replace('"', '""'), [1, 2])
    assert list(of_items(source, 2).dense) == [name]


def test_kinds_are_positions_in_their_names(write_sqlite: WriteSqlite) -> None:
    items = [("b", "prop", "B", 1), ("a", "map", "A", 1), ("c", None, "C", 1), ("d", "", "D", 1)]
    kinds = SqliteSource(write_sqlite(items=items)).item_kinds(np.array([b"a", b"b", b"c", b"d", b"e"]))
    assert kinds.names == ("map", "prop")
    assert kinds.codes.tolist() == [0, 1, NO_KIND, NO_KIND, NO_KIND]
    assert kinds.codes.dtype == np.uint8


def test_as_many_kinds_as_may_be_and_one_more(write_sqlite: WriteSqlite) -> None:
    rows = [(f"i{row:03}", f"kind {row}", "Item", 1) for row in range(MAX_KINDS + 1)]
    source = SqliteSource(write_sqlite(items=[("i-none", None, "Item", 1), *rows]))
    kinds = source.item_kinds(item_ids(MAX_KINDS))
    assert sorted(kinds.codes.tolist()) == list(range(MAX_KINDS))
    ids = np.concatenate([np.array([b"i-none"]), item_ids(MAX_KINDS + 1)])
    with pytest.raises(SourceError, match="item i255, column kind: expected one of at most 255 kinds") as caught:
        source.item_kinds(ids)
    assert caught.value.code == "source_invalid_row"


def test_a_kind_that_is_no_text_is_refused(write_sqlite: WriteSqlite) -> None:
    source = SqliteSource(write_sqlite(items=[("i000", "map", "A", 1), ("i001", 3, "B", 1)]))
    with pytest.raises(SourceError, match="item i001, column kind: expected text of 1 to 255 bytes"):
        source.item_kinds(item_ids(2))


def test_users_have_features_too(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite()
    source, ids = SqliteSource(path), np.array([b"u1", b"u2"])
    assert source.user_features(ids) is None
    run(path, "ALTER TABLE users ADD COLUMN platform; UPDATE users SET platform = 'quest'")
    run(path, "ALTER TABLE users ADD COLUMN age; UPDATE users SET age = 30 WHERE id = 'u2'")
    run(path, "ALTER TABLE users ADD COLUMN inserted_at; UPDATE users SET inserted_at = 5")
    table = source.user_features(ids)
    assert table is not None
    assert (list(table.sparse), list(table.dense)) == (["platform"], ["age"])
    assert table.dense["age"].known.tolist() == [False, True]
    run(path, "UPDATE users SET age = 9e999 WHERE id = 'u1'")
    with pytest.raises(SourceError, match="user u1, column age: expected a finite number, found inf"):
        source.user_features(ids)


@pytest.mark.parametrize("change", ["DROP TABLE users", "ALTER TABLE users RENAME COLUMN id TO user_id"])
def test_without_users_there_are_no_features_of_users(write_sqlite: WriteSqlite, change: str) -> None:
    path = write_sqlite()
    run(path, change)
    assert SqliteSource(path).user_features(np.array([b"u1"])) is None


def test_integer_ids(write_sqlite: WriteSqlite) -> None:
    schema = SCHEMA.replace("items (id,", "items (id INTEGER,")
    path = write_sqlite([(5, 9, "visit", 1, 10)], [(9, "map", "Nine", 1), (4, "prop", "Four", 1)], schema)
    assert SqliteSource(path).item_kinds(np.array([4, 9])).codes.tolist() == [1, 0]
