from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from port_worker.sources import sqlite
from port_worker.sources.base import ItemCard, UserCard, Visit
from port_worker.sources.errors import SourceError
from port_worker.sources.sqlite import SqliteSource
from tests.sources.samples import INTERACTIONS, SCHEMA, WriteSqlite


def failure(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        SqliteSource(path).interactions()
    return caught.value


def test_interactions_with_private_items_are_left_out(write_sqlite: WriteSqlite) -> None:
    data = SqliteSource(write_sqlite()).interactions()
    assert data.users.values.tolist() == [b"u1", b"u1", b"u1", b"u2"]
    assert data.items.values.tolist() == [b"m1", b"a1", b"a1", b"m1"]
    assert (data.weights.tolist(), data.times.tolist()) == ([1.0, 1.0, 3.0, 1.0], [100, 200, 200, 400])


def test_nothing_private_is_ever_shown(write_sqlite: WriteSqlite) -> None:
    source = SqliteSource(write_sqlite())
    assert source.items(["p1", "m1", "gone"]) == {"m1": ItemCard("m1", "Mossy Grove", "map")}
    assert "p1" not in {visit.item for visit in source.history("u1", 10)}
    assert source.resolve_item("Secret Drum") == "Secret Drum"


def test_history_is_newest_first_and_limited(write_sqlite: WriteSqlite) -> None:
    source = SqliteSource(write_sqlite())
    newest = [Visit("a1", "favourite", 3.0, 200), Visit("a1", "visit", 1.0, 200)]
    assert source.history("u1", 2) == newest
    assert source.history("u1", 9) == [*newest, Visit("m1", "visit", 1.0, 100)]
    assert source.history("nobody", 9) == []


def test_users_are_found_by_id_handle_and_name(write_sqlite: WriteSqlite) -> None:
    source = SqliteSource(write_sqlite())
    ada, bao = UserCard("u1", "Ada Bell"), UserCard("u2", "Bao Ito")
    assert source.sample_users(5) == [ada, bao]
    assert source.sample_users(1) == [ada]
    assert source.users(["u2", "gone"]) == {"u2": bao}
    assert source.find_users("u", 5) == [ada, bao]
    assert source.find_users("b", 5) == [bao]
    assert source.find_users("_", 5) == []
    assert [source.resolve_user(text) for text in ("u1", "ada", "ada bell", "gone")] == ["u1", "u1", "u1", "gone"]
    assert source.resolve_item("mossy grove") == "m1"


def test_more_ids_than_one_query_takes(write_sqlite: WriteSqlite) -> None:
    items = [(f"m{number}", "map", f"Map {number}", 1) for number in range(1_201)]
    cards = SqliteSource(write_sqlite(items=items)).items(f"m{number}" for number in range(1_300))
    assert len(cards) == 1_201


def test_integer_ids_stay_integers(write_sqlite: WriteSqlite) -> None:
    schema = SCHEMA.replace("(id,", "(id INTEGER,")
    path = write_sqlite([(5, 9, "visit", 1, 10)], [(9, "map", "Nine", 1)], schema)
    data = SqliteSource(path).interactions()
    assert (data.users.values.tolist(), data.items.values.tolist(), data.users.ids.dtype.kind) == ([5], [9], "i")
    assert SqliteSource(path).resolve_item("9") == 9


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((None, "m1", "visit", 1.0, 1), "user_id"),
        (("u1", None, "visit", 1.0, 1), "item_id"),
        (("u1", "m1", "visit", None, 1), "weight"),
        (("u1", "m1", "visit", 1.0, None), "time"),
        ((7, "m1", "visit", 1.0, 1), "user_id"),
        ((b"u1", "m1", "visit", 1.0, 1), "user_id"),
        (("", "m1", "visit", 1.0, 1), "user_id"),
        (("u1", "m1", "visit", "1", 1), "weight"),
        (("u1", "m1", "visit", float("inf"), 1), "weight"),
        (("u1", "m1", "visit", 1.0, "2025-01-01"), "time"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(
    write_sqlite: WriteSqlite, row: tuple[object, ...], column: str
) -> None:
    error = failure(write_sqlite([*INTERACTIONS, row]))
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 6, column)


def test_text_that_is_no_utf8(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE interactions SET user_id = CAST(x'75ff' AS TEXT) WHERE rowid = 2")
        connection.execute("UPDATE items SET name = CAST(x'4dff' AS TEXT) WHERE id = 'm1'")
    error = failure(path)
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 2, "user_id")
    assert SqliteSource(path).items(["m1"])["m1"].name == "M\ufffd"


@pytest.mark.parametrize("interactions", [[], [("u1", "p1", "visit", 1.0, 1)], [("u1", "gone", "visit", 1.0, 1)]])
def test_no_interaction_with_a_public_item_is_empty(
    write_sqlite: WriteSqlite, interactions: list[tuple[object, ...]]
) -> None:
    assert failure(write_sqlite(interactions)).code == "source_empty"


@pytest.mark.parametrize("table", ["items", "interactions"])
def test_missing_tables_and_columns_are_named(write_sqlite: WriteSqlite, table: str) -> None:
    path = write_sqlite()
    lost = {"items": "is_public", "interactions": "weight"}[table]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {lost}")
    error = failure(path)
    assert (error.code, error.details["missing"]) == ("source_missing_column", [f"{table}.{lost}"])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TABLE {table}")
    error = failure(path)
    assert (error.code, error.details["missing"]) == ("source_missing", f"table or view {table}")


def test_files_that_are_missing_or_no_database(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.sqlite"
    assert failure(nowhere).code == "source_missing"
    assert not nowhere.exists()
    assert failure(tmp_path).code == "source_unreadable"
    (tmp_path / "text.sqlite").write_text("user,item,label,time\n" * 200)
    assert failure(tmp_path / "text.sqlite").code == "source_unreadable"


def test_a_damaged_page_is_an_error_of_the_source(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite([("u1", "m1", "visit", 1.0, time) for time in range(5_000)])
    content = bytearray(path.read_bytes())
    content[-8_192:] = b"\xff" * 8_192
    path.write_bytes(content)
    assert failure(path).code == "source_unreadable"


def test_a_name_with_the_signs_of_a_uri(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite()
    path = path.rename(path.with_name("50%? #1 é.sqlite"))
    assert len(SqliteSource(path).interactions()) == 4


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_writer_in_the_middle_of_its_transaction_is_not_seen(write_sqlite: WriteSqlite, journal: str) -> None:
    path = write_sqlite()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode = {journal}")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM interactions")
        assert len(SqliteSource(path).interactions()) == 4
        writer.execute("COMMIT")
        assert failure(path).code == "source_empty"


def test_what_is_committed_during_a_read_is_not_half_seen(write_sqlite: WriteSqlite) -> None:
    rows = [("u1", "m1", "visit", 1.0, time) for time in range(20_000)]
    path = write_sqlite(rows)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")

        def forget(_rows: int) -> None:
            writer.execute("DELETE FROM interactions")

        assert len(SqliteSource(path).interactions(forget)) == 20_000


def test_a_writer_that_never_lets_go_is_reported(write_sqlite: WriteSqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sqlite()
    monkeypatch.setattr(sqlite, "_LOCK_WAIT_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        error = failure(path)
    assert (error.code, "locked" in error.message) == ("source_unreadable", True)


def test_reading_writes_nothing(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite()
    before = path.read_bytes()
    source = SqliteSource(path)
    source.interactions()
    source.sample_users(3)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_items_may_be_a_view(write_sqlite: WriteSqlite) -> None:
    path = write_sqlite()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("ALTER TABLE items RENAME TO maps; CREATE VIEW items AS SELECT * FROM maps;")
    assert len(SqliteSource(path).interactions()) == 4
