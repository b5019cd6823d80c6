"""A real PostgreSQL: what is read, by which way, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import psycopg2
import pytest

from port_worker.sources.base import ItemCard, UserCard, Visit
from port_worker.sources.columns import Interactions
from port_worker.sources.definition import InteractionTable, ItemTable, SourceDefinition, UserTable
from port_worker.sources.errors import SourceError
from port_worker.sources.features import NO_KIND
from port_worker.sources.postgresql import PostgresqlSource
from port_worker.sources.registry import open_source
from port_worker.sources.server import POSTGRESQL, Dialect
from tests.sources.samples import INTERACTIONS, ITEMS, USERS, Database, fill

ADA, BAO = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
MAP, AVATAR, PROP = (f"cccccccc-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
UUIDS = {"u1": ADA, "u2": BAO, "m1": MAP, "a1": AVATAR, "p1": PROP}
INTEGERS = {"u1": 1, "u2": 2, "m1": -3, "a1": 2**40, "p1": 5}
IDS: dict[str, dict[str, object]] = {"text": {name: name for name in UUIDS}, "uuid": {**UUIDS}, "bigint": {**INTEGERS}}
SELECTED = replace(POSTGRESQL, binary_copy=False)


def write_world(database: Database, id_type: str = "text", key: str = "id serial PRIMARY KEY") -> None:
    """The five interactions of samples.py, with ids of a type."""
    ids = IDS[id_type]
    items = ", ".join(f"('{ids[i]}', '{kind}', '{name}', {bool(public)})" for i, kind, name, public in ITEMS)
    users = ", ".join(f"('{ids[user]}', '{handle}', '{name}')" for user, handle, name in USERS)
    met = ", ".join(f"('{ids[u]}', '{ids[i]}', '{k}', {w}, to_timestamp({t}))" for u, i, k, w, t in INTERACTIONS)
    database.run(f"""
        CREATE TABLE items (id {id_type}, kind text, name text, is_public boolean);
        CREATE TABLE users (id {id_type}, username text, display_name text);
        CREATE TABLE interactions
            ({key}{"," if key else ""} user_id {id_type}, item_id {id_type}, kind text, weight real, time timestamptz);
        INSERT INTO items VALUES {items}; INSERT INTO users VALUES {users};
        INSERT INTO interactions (user_id, item_id, kind, weight, time) VALUES {met}""")


def ids_of(data: Interactions) -> tuple[list[object], list[object]]:
    texts = ([value.decode() if isinstance(value, bytes) else value for value in column.values.tolist()]
             for column in (data.users, data.items))  # fmt: skip
    users, items = texts
    return users, items


def failure(source: PostgresqlSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.interactions()
    return caught.value


@pytest.mark.parametrize("id_type", ["text", "uuid", "bigint", "varchar(40)"])
@pytest.mark.parametrize("way", ["keyed", "selected", "without a key"])
@pytest.mark.parametrize("page_rows", [1, 2, 5, 100])
def test_every_way_reads_the_same_rows(database: Database, id_type: str, way: str, page_rows: int) -> None:
    ids = IDS.get(id_type, IDS["text"])
    IDS.setdefault(id_type, ids)
    write_world(database, id_type, "" if way == "without a key" else "id serial PRIMARY KEY")
    seen: list[int] = []
    source = database.source(page_rows=page_rows, dialect=SELECTED if way == "selected" else None)
    data = source.interactions(seen.append)
    expected = [ids[name] for name in ("u1", "u1", "u1", "u2")], [ids[name] for name in ("m1", "a1", "a1", "m1")]
    assert ids_of(data) == expected
    assert (data.weights.tolist(), data.times.tolist(), data.skipped) == ([1, 1, 3, 1], [100, 200, 200, 400], 0)
    assert seen[-1] == 5  # the private one was read too
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("time_type", "made_by"),
    [
        ("timestamptz", "to_timestamp({})"),
        ("timestamp", "to_timestamp({}) AT TIME ZONE 'UTC'"),
        ("timestamp(0)", "to_timestamp({}) AT TIME ZONE 'UTC'"),
        ("date", "(to_timestamp({}) AT TIME ZONE 'UTC')::date"),
        *((kind, "{}") for kind in ("bigint", "integer", "double precision", "numeric")),
    ],
)
def test_times_of_any_type_are_unix_seconds(database: Database, time_type: str, made_by: str) -> None:
    fill(database, 20)
    day = 86_400
    database.run(f"""
        ALTER TABLE interactions DROP COLUMN time, ADD COLUMN time {time_type};
        UPDATE interactions SET time = {made_by.format(f"(id - 5) * {day}")}""")
    for dialect in (POSTGRESQL, SELECTED):
        source = database.source(dialect=dialect)
        assert source.interactions().times.tolist() == [(n - 5) * day for n in range(20) if n % 7]
        assert source.interactions(since=9 * day).times.tolist() == [n * day for n in range(10, 15) if (n + 5) % 7]


@pytest.mark.parametrize("weight_type", ["real", "double precision", "numeric(5,2)", "smallint"])
def test_weights_of_any_number_type(database: Database, weight_type: str) -> None:
    fill(database, 3)
    database.run(f"ALTER TABLE interactions ALTER weight TYPE {weight_type}")
    assert database.source().interactions().weights.tolist() == [1, 1]


@pytest.mark.parametrize(
    "key",
    [
        {"a": "text", "b": "int"},
        {"b": "smallint", "a": "uuid"},
        *({"a": kind} for kind in ("timestamptz", "numeric", "uuid", "date", "bigint")),
    ],
    ids=lambda key: "-".join(key.values()),
)
@pytest.mark.parametrize("page_rows", [3, 50])
def test_keys_of_any_type(database: Database, key: dict[str, str], page_rows: int) -> None:
    """Each row once, whatever its order."""
    fill(database, 0)
    made_by = {
        "text": "'k' || n / 3", "int": "n", "timestamptz": "to_timestamp(n + 0.25)", "numeric": "n + 0.1",
        "uuid": "md5(n::text)::uuid", "smallint": "n", "date": "'2020-01-01'::date + n", "bigint": "n",
    }  # fmt: skip
    columns = ", ".join(f"{name} {kind}" for name, kind in key.items())
    database.run(f"""
        DROP TABLE interactions;
        CREATE TABLE interactions ({columns}, user_id uuid, item_id uuid, kind text, weight float8, time timestamptz,
            PRIMARY KEY ({", ".join(key)}));
        INSERT INTO interactions SELECT {", ".join(made_by[kind] for kind in key.values())},
            md5('u1')::uuid, md5('i1')::uuid, 'visit', n, to_timestamp(n) FROM generate_series(0, 19) AS n""")
    data = database.source(page_rows=page_rows).interactions()
    assert sorted(data.weights.tolist()) == list(range(20))


def test_names_are_the_definition_s(database: Database) -> None:
    database.run("""
        CREATE SCHEMA uro;
        CREATE TABLE uro.things ("Id" bigint, what text, title text, shared int);
        INSERT INTO uro.things VALUES (1, 'map', 'One', 1), (2, 'map', 'Two', 0);
        CREATE VIEW uro.met AS SELECT n AS "order", 'u' || n % 2 AS "who?", n % 3 AS thing, n::real AS stars, n AS at
        FROM generate_series(0, 8) AS n""")
    source = database.source(
        interactions=InteractionTable("uro.met", user="who?", item="thing", weight="stars", time="at", key=("order",)),
        items=ItemTable("uro.things", "Id", "what", "title", "shared"),
        page_rows=4,
    )
    data = source.interactions()
    assert (data.users.values.tolist(), data.items.ids.tolist()) == ([b"u1", b"u0", b"u1"], [1])
    assert data.weights.tolist() == [1, 4, 7]
    assert source.items([1, 2]) == {1: ItemCard(1, "One", "map")}
    database.run("DROP SCHEMA uro CASCADE")


def test_names_may_have_signs_that_drivers_take_for_places_of_values(database: Database) -> None:
    write_world(database)
    database.run("""
        ALTER TABLE users RENAME TO "100%s"; ALTER TABLE "100%s" RENAME username TO "%(name)s";
        ALTER TABLE items RENAME name TO "%" """)
    source = database.source(users=UserTable("100%s", username="%(name)s"), items=ItemTable(name="%"))
    assert source.find_users("ad", 5) == [UserCard("u1", "Ada Bell")]
    assert [source.resolve_user("bao"), source.resolve_item("mossy grove")] == ["u2", "m1"]
    assert source.items(["m1"]) == {"m1": ItemCard("m1", "Mossy Grove", "map")}
    assert len(source.history("u1", 9)) == 3


@pytest.mark.parametrize("dialect", [POSTGRESQL, SELECTED])
def test_a_time_that_has_no_opposite_is_refused(database: Database, dialect: Dialect) -> None:
    fill(database, 10)
    database.run(f"""
        ALTER TABLE interactions ALTER time TYPE bigint USING 1;
        UPDATE interactions SET time = {-(2**63)} WHERE id = 3""")
    error = failure(database.source(dialect=dialect))
    assert (error.details["row"], error.details["column"]) == (3, "time")


def test_kinds_have_the_weights_of_the_definition(database: Database) -> None:
    fill(database, 10)
    database.run("ALTER TABLE interactions DROP COLUMN weight")
    weights = {"visit": 0.5, "favourite": 3.0, "it's a \\ 100% trap": 9.0}
    for dialect in (POSTGRESQL, SELECTED):
        data = database.source(dialect=dialect, weights=weights).interactions()
        assert data.weights.tolist() == [3.0 if n % 5 == 0 else 0.5 for n in range(10) if n % 7]


def test_a_kind_without_a_weight_is_malformed(database: Database) -> None:
    fill(database, 10)
    error = failure(database.source(weights={"favourite": 3.0}))
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 1, "kind")
    assert (error.details["table"], error.details["source"], error.details["got"]) == ("interactions", "uro", "'visit'")
    data = database.source(weights={"favourite": 3.0}, malformed=0.9).interactions()
    assert (data.weights.tolist(), data.skipped) == ([3.0], 8)


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("user_id", "NULL", "nothing"),
        ("item_id", "NULL", "nothing"),
        ("weight", "NULL", "nothing"),
        ("weight", "'NaN'", "nan"),
        ("weight", "1e300", "1e+300"),
        ("time", "NULL", "nothing"),
        ("time", "'infinity'", "inf"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_key(
    database: Database, column: str, value: str, shown: str
) -> None:
    fill(database, 30)
    database.run(f"UPDATE interactions SET {column} = {value} WHERE id = 17")
    error = failure(database.source(page_rows=10))
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 17, column)
    assert (error.details["table"], error.details["got"]) == ("interactions", shown)
    assert "source uro (postgresql://postgres@127.0.0.1" in error.message
    data = database.source(page_rows=10, malformed=0.1).interactions()
    assert (len(data), data.skipped) == (24, 1)


def test_a_tenth_of_malformed_rows_is_skipped_or_refused(database: Database) -> None:
    fill(database, 1000)
    database.run("UPDATE interactions SET user_id = NULL WHERE id % 10 = 3")
    data = database.source(page_rows=100, malformed=0.1).interactions()
    assert (data.skipped, len(data)) == (100, sum(1 for n in range(1000) if n % 7 and n % 10 != 3))
    error = failure(database.source(page_rows=100, malformed=0.099))
    assert (error.code, error.details["malformed"], error.details["rows"]) == ("source_invalid_row", 100, 1000)
    assert error.details["row"] == 3


@pytest.mark.parametrize(
    ("change", "column", "found"),
    [
        ("ALTER interactions.user_id TYPE jsonb USING to_jsonb(user_id)", "user_id", "jsonb"),
        ("ALTER interactions.item_id TYPE boolean USING true", "item_id", "boolean"),
        ("ALTER interactions.user_id TYPE numeric USING 1", "user_id", "numeric"),
        ("ALTER interactions.weight TYPE text", "weight", "text"),
        ("ALTER interactions.time TYPE text", "time", "text"),
        ("ALTER items.is_public TYPE text", "is_public", "text"),
        ("ALTER items.id TYPE bytea USING ''", "id", "bytea"),
    ],
)
def test_a_column_of_a_type_that_cannot_be_used(database: Database, change: str, column: str, found: str) -> None:
    write_world(database)
    verb, where, rest = change.split(" ", 2)
    table, _, name = where.partition(".")
    database.run(f"ALTER TABLE {table} {verb} {name} {rest}")
    error = failure(database.source())
    assert (error.code, error.details["table"], error.details["column"]) == ("source_unreadable", table, column)
    assert error.details["got"] == found


@pytest.mark.parametrize(
    ("change", "code", "missing"),
    [
        ("DROP TABLE interactions", "source_missing", "table or view"),
        ("DROP TABLE items", "source_missing", "table or view"),
        ("ALTER TABLE interactions DROP user_id, DROP time", "source_missing_column",
         ["interactions.user_id", "interactions.time"]),
        ("ALTER TABLE items DROP is_public", "source_missing_column", ["items.is_public"]),
    ],
)  # fmt: skip
def test_tables_and_columns_that_are_not_there(database: Database, change: str, code: str, missing: object) -> None:
    write_world(database)
    database.run(change)
    error = failure(database.source())
    assert (error.code, error.details["missing"]) == (code, missing)
    assert f"table {error.details['table']}" in error.message


def test_a_key_that_is_not_there(database: Database) -> None:
    write_world(database)
    error = failure(database.source(interactions=InteractionTable(key=("number",))))
    assert (error.code, error.details["missing"]) == ("source_missing_column", ["interactions.number"])


def test_a_role_that_may_only_read_is_enough(database: Database) -> None:
    """And it sees the primary key, without which a lost connection would be the end."""
    fill(database, 30)
    database.run("""
        DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'reader';
        GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader""")
    location = database.location.replace("postgres:" + database.server.password, "reader:reader")
    seen: list[int] = []
    data = PostgresqlSource(location, SourceDefinition(location, page_rows=10)).interactions(seen.append)
    assert len(data) == sum(1 for n in range(30) if n % 7)
    assert seen == [10, 20, 30]  # page by page, as without a key it is not
    database.run("REVOKE SELECT ON items FROM reader")
    with pytest.raises(SourceError, match="permission denied for table items") as caught:
        PostgresqlSource(location, SourceDefinition(location)).interactions()
    assert caught.value.code == "source_unreadable"
    database.run("DROP OWNED BY reader; DROP ROLE reader")


@pytest.mark.parametrize("empty", ["DELETE FROM interactions", "UPDATE items SET is_public = false"])
def test_no_rows_are_an_error(database: Database, empty: str) -> None:
    write_world(database, "uuid")
    database.run(empty)
    assert failure(database.source()).code == "source_empty"


def test_no_password_is_ever_shown(database: Database) -> None:
    wrong = "w/r:o@n g?#%"
    for password in ("wrong-secret", wrong):
        location = database.server.location(password=password)
        with pytest.raises(SourceError) as caught:
            open_source(location).interactions()
        assert caught.value.code == "source_unreadable"
        told = f"{caught.value.message}{caught.value.details}"
        assert not any(part in told for part in ("wrong-secret", "w/r", "o@n", "g?#"))


def test_a_server_that_is_not_there_is_not_waited_for(database: Database) -> None:
    address = database.location.replace(str(database.server.port), "1")
    with pytest.raises(SourceError, match="refused") as caught:
        open_source(address).interactions()
    assert caught.value.code == "source_unreadable"
    with pytest.raises(SourceError, match="does not exist"):
        open_source(database.server.location("nowhere")).interactions()


def test_bytes_that_are_no_utf8(database: Database) -> None:
    connection = psycopg2.connect(database.location)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS octets")
        cursor.execute("CREATE DATABASE octets ENCODING 'SQL_ASCII' TEMPLATE template0")
    connection.close()
    octets = Database(database.server, "octets")
    write_world(octets)
    octets.run("UPDATE items SET name = E'caf\\xe9'; UPDATE interactions SET user_id = E'\\xff' WHERE id = 2")
    source = octets.source(page_rows=1)
    assert source.items(["m1"])["m1"].kind == "map"
    error = failure(source)
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 2, "user_id")
    error.message.encode()
    with pytest.raises(SourceError, match="its encoding, ascii, has no") as caught:
        source.find_users("é", 1)
    assert caught.value.code == "source_unreadable"
    assert octets.source(malformed=0.5).interactions().skipped == 1


def test_only_what_is_newer(database: Database) -> None:
    fill(database, 50)
    source = database.source()
    assert source.interactions(since=1040).times.tolist() == [1000 + n for n in range(41, 50) if n % 7]
    with pytest.raises(SourceError, match="no interactions after 1049") as caught:
        source.interactions(since=1049)
    assert caught.value.code == "source_empty"


def test_a_window_of_days(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, 50)
    monkeypatch.setattr("port_worker.sources.postgresql.wall_clock", lambda: 1045.0 + 86_400)
    source = database.source(window_days=1.0)
    assert source.interactions().times.tolist() == [1046, 1047, 1048]
    assert source.interactions(since=1047).times.tolist() == [1048]


def test_minimum_counts(database: Database) -> None:
    fill(database, 21)
    database.run("UPDATE interactions SET user_id = md5('u9')::uuid WHERE id = 4")
    everything = database.source().interactions()
    rare = everything.users.counts.min()
    data = database.source(minimum_user_rows=int(rare) + 1).interactions()
    assert 0 < len(data) < len(everything)
    assert everything.users.counts.max() == data.users.counts.max()
    assert len(database.source(minimum_user_rows=int(rare) + 1).interactions(since=0)) == len(everything)
    with pytest.raises(SourceError, match="1000 of its user") as caught:
        database.source(minimum_user_rows=1000).interactions()
    assert caught.value.code == "source_empty"


def test_features_kinds_and_what_is_missing(database: Database) -> None:
    write_world(database, "uuid")
    database.run("""
        ALTER TABLE items ADD size int, ADD price numeric, ADD nice boolean, ADD tags text[], ADD extra jsonb;
        UPDATE items SET size = 3, price = 1.5, nice = true WHERE kind = 'map';
        UPDATE items SET kind = NULL WHERE kind = 'avatar';
        ALTER TABLE users ADD platform text; UPDATE users SET platform = 'quest'""")
    source, ids = database.source(), np.array([MAP.encode(), AVATAR.encode(), ADA.encode()])
    assert (source.item_kinds(ids).codes.tolist(), source.item_kinds(ids).names) == ([0, NO_KIND, NO_KIND], ("map",))
    table = source.item_features(ids)
    assert table is not None
    assert {name: column.known.tolist() for name, column in table.dense.items()} == {
        "size": [True, False, False], "price": [True, False, False], "nice": [True, False, False]
    }  # fmt: skip
    assert table.dense["price"].values.tolist() == [1.5, 0, 0]
    users = source.user_features(np.array([ADA.encode(), BAO.encode()]))
    assert users is not None
    assert users.sparse["platform"].vocabulary == ("quest",)
    database.run("DROP TABLE users")
    assert source.user_features(ids) is None


@pytest.mark.parametrize("id_type", ["text", "uuid", "bigint"])
def test_people_and_items_are_found_as_in_sqlite(database: Database, id_type: str) -> None:
    write_world(database, id_type)
    ids, source = IDS[id_type], database.source()
    ada, bao = UserCard(ids["u1"], "Ada Bell"), UserCard(ids["u2"], "Bao Ito")  # type: ignore[arg-type]
    assert source.sample_users(5) == [ada, bao]
    assert source.sample_users(1) == [ada]
    assert source.users([bao.id, "gone", 2**70, "\udcff"]) == {bao.id: bao}
    assert source.find_users("AD", 5) == [ada]
    assert source.find_users("%", 5) == []
    assert [source.resolve_user(text) for text in ("ada", "ada BELL", str(ada.id), "nobody")] == [ada.id] * 3 + [
        "nobody"
    ]
    assert source.resolve_item("secret drum") == "secret drum"
    assert source.resolve_item("mossy grove") == ids["m1"]
    assert source.items([ids["p1"], ids["m1"]]) == {ids["m1"]: ItemCard(ids["m1"], "Mossy Grove", "map")}  # type: ignore[list-item]
    newest = [Visit(ids["a1"], "favourite", 3.0, 200), Visit(ids["a1"], "visit", 1.0, 200)]  # type: ignore[arg-type]
    assert sorted(source.history(ada.id, 2), key=lambda visit: -visit.weight) == newest
    assert [visit.time for visit in source.history(ada.id, 9)] == [200, 200, 100]
    assert source.history("nobody", 9) == []
    assert (source.name, "postgres@127.0.0.1" in source.spec) == ("uro", True)
