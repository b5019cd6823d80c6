"""A real PostgreSQL that goes away, comes back, or refuses a transaction, in the midst of an extraction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import psycopg2.extensions
import pytest

from port_worker.sources.back_off import BackOff
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.sources.pages import Pages
from port_worker.sources.postgresql import PostgresqlSource
from port_worker.sources.server import COCKROACHDB, POSTGRESQL, Dialect, Server
from tests.sources.samples import Database, fill

ROWS = 3000
PUBLIC_ROWS = sum(1 for n in range(ROWS) if n % 7)
SELECTED = replace(POSTGRESQL, binary_copy=False)


def at_row(rows: int, act: Callable[[], object]) -> Callable[[int], None]:
    """Progress that acts once, when so many rows were read."""
    waiting = [act]

    def progress(read: int) -> None:
        if read >= rows and waiting:
            waiting.pop()()

    return progress


@contextmanager
def running_afterwards(database: Database) -> Iterator[None]:
    """Whatever a test did to it, the server answers the next one."""
    try:
        yield
    finally:
        try:
            database.run("SELECT 1")
        except psycopg2.OperationalError:
            database.server.start()


@pytest.mark.parametrize("dialect", [POSTGRESQL, SELECTED], ids=["copied", "selected"])
def test_a_server_that_stopped_and_started_again_costs_no_row(database: Database, dialect: Dialect) -> None:
    fill(database, ROWS)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            database.server.start()

    with running_afterwards(database):
        source = database.source(sleep=pause, dialect=dialect, page_rows=250)
        data = source.interactions(at_row(ROWS // 2, database.server.stop))
    assert pauses == [0.1, 0.2, 0.4]
    assert len(data) == PUBLIC_ROWS
    assert data.times.tolist() == [1000 + n for n in range(ROWS) if n % 7]


def test_rows_that_were_added_meanwhile_are_read_once(database: Database) -> None:
    """The transaction before the loss did not see them; the one after it does: those after the last key, no others."""
    fill(database, ROWS)

    def lose() -> None:
        database.run(f"""
            INSERT INTO interactions SELECT {ROWS} + n, user_id, item_id, kind, 9, time FROM interactions,
            generate_series(1, 4) AS n WHERE id = 1;
            INSERT INTO interactions SELECT -1, user_id, item_id, kind, 9, time FROM interactions WHERE id = 1;
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'port_worker'""")

    data = database.source(sleep=lambda _: None, page_rows=250).interactions(at_row(ROWS // 2, lose))
    assert len(data) == PUBLIC_ROWS + 4
    assert (data.weights == 9).sum() == 4


def test_a_server_that_stays_away_is_given_up(database: Database) -> None:
    fill(database, ROWS)
    pauses: list[float] = []
    with running_afterwards(database), pytest.raises(SourceError, match="given up after 9 failures") as caught:
        database.source(sleep=pauses.append, page_rows=250).interactions(at_row(1500, database.server.stop))
    assert (caught.value.code, caught.value.details["table"]) == ("source_unreadable", "interactions")
    assert "1500 rows" in caught.value.message
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_without_a_key_there_is_nothing_to_go_on_from(database: Database) -> None:
    fill(database, 20_000, key="")
    with running_afterwards(database), pytest.raises(SourceError, match="no key to go on from") as caught:
        database.source(sleep=lambda _: None).interactions(at_row(1, database.server.stop))
    assert caught.value.code == "source_unreadable"


class TestSerializable:
    """The anomaly of a read-only transaction: writer 2 read what writer 1 then changed; writer 1 committed before the
    reader began; the reader, which does not see writer 2, fails when it comes to what writer 2 changed."""

    def source(self, database: Database, pauses: list[float]) -> PostgresqlSource:
        return database.source(sleep=pauses.append, isolation="serializable", page_rows=250)

    @contextmanager
    def second_writer(self, database: Database) -> Iterator[Callable[[], None]]:
        """What commits the second writer's change; the first one's is committed already."""
        with closing(psycopg2.connect(database.location)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level="SERIALIZABLE")
            cursor.execute("SELECT level FROM control")
            database.run("BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE control SET level = level + 1; COMMIT")

            def commit() -> None:
                cursor.execute("UPDATE interactions SET weight = weight + 1 WHERE id = 2501")
                connection.commit()

            yield commit

    def test_a_real_40001_is_tried_again_from_the_beginning(self, database: Database) -> None:
        fill(database, ROWS)
        database.run("CREATE TABLE control (level int); INSERT INTO control VALUES (1)")
        pauses: list[float] = []
        read: list[int] = []
        with self.second_writer(database) as commit:
            act = at_row(1000, commit)

            def progress(rows: int) -> None:
                read.append(rows)
                act(rows)

            data = self.source(database, pauses).interactions(progress)
        assert pauses == [0.1]
        assert read.count(250) == 2
        assert (len(data), data.weights.max(), (data.weights == 2).sum()) == (PUBLIC_ROWS, 2, 1)

    def test_the_same_writers_do_not_disturb_a_repeatable_read(self, database: Database) -> None:
        fill(database, ROWS)
        database.run("CREATE TABLE control (level int); INSERT INTO control VALUES (1)")
        with self.second_writer(database) as commit:
            data = database.source(page_rows=250).interactions(at_row(1000, commit))
        assert (len(data), data.weights.max()) == (PUBLIC_ROWS, 1)

    def test_writers_that_never_rest_end_it(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(database, ROWS)
        database.run("CREATE TABLE control (level int); INSERT INTO control VALUES (1)")
        pauses: list[float] = []
        writers: list[Any] = []
        source = self.source(database, pauses)

        def progress(rows: int) -> None:
            if rows == 1000:
                writers.pop()()

        connect = Server.connect

        def connecting(server: Server) -> Any:
            made = self.second_writer(database)
            writers.append(made.__enter__())
            entered.append(made)
            return connect(server)

        entered: list[Any] = []
        monkeypatch.setattr(Server, "connect", connecting)
        with pytest.raises(SourceError, match="given up after 9 failures and 2500 rows") as caught:
            source.interactions(progress)
        for each in entered:
            each.__exit__(None, None, None)
        assert caught.value.code == "source_unreadable"
        assert "could not serialize access" in caught.value.message
        assert len(pauses) == 8


class PastServer(Server):
    """A PostgreSQL that is read as CockroachDB is: at a past moment by name, which PostgreSQL has not."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.begun: list[str | None] = []

    def begin(self, connection: Any, moment: str | None) -> None:
        self.begun.append(moment)


def test_on_cockroachdb_every_page_is_of_one_moment(database: Database) -> None:
    fill(database, ROWS)
    definition = SourceDefinition(database.location, "uro", page_rows=250)
    dialect = replace(COCKROACHDB, moment="SELECT clock_timestamp()::text")
    server = PastServer(database.location, definition, dialect)
    source = PostgresqlSource(database.location, definition, server=server, back_off=lambda: BackOff(lambda _: None))

    def lose() -> None:
        database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'port_worker'")

    data = source.interactions(at_row(1000, lose))
    assert len(data) == PUBLIC_ROWS
    assert len(server.begun) == 2
    assert server.begun[0] == server.begun[1] is not None


class Conflict(psycopg2.OperationalError):  # type: ignore[misc]
    pgcode = "40001"


def test_on_cockroachdb_conflicts_may_be_many_if_pages_are_read_between(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, ROWS)
    definition = SourceDefinition(database.location, "uro", page_rows=250)
    server = PastServer(database.location, definition, replace(COCKROACHDB, moment="SELECT clock_timestamp()::text"))
    pauses: list[float] = []
    source = PostgresqlSource(database.location, definition, server=server, back_off=lambda: BackOff(pauses.append))
    read, turns = Pages.read, count()

    def conflicting(pages: Pages, connection: Any) -> bool:
        if next(turns) % 2:
            raise Conflict("restart transaction")
        return read(pages, connection)

    monkeypatch.setattr(Pages, "read", conflicting)
    assert len(source.interactions()) == PUBLIC_ROWS
    assert len(pauses) >= 10
    assert set(pauses) == {0.1}


def test_cockroachdb_needs_a_key(database: Database) -> None:
    fill(database, 10, key="")
    with pytest.raises(SourceError, match="CockroachDB is read by a key") as caught:
        database.source(dialect=replace(COCKROACHDB, moment=None)).interactions()
    assert caught.value.code == "source_unreadable"


class Recorded:
    """A connection that keeps what it is told, and answers as a CockroachDB would."""

    def __init__(self, version: str) -> None:
        self.version, self.said = version, [""]
        self.description: object = None

    def cursor(self) -> Recorded:
        return self

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def mogrify(self, _sql: str, values: tuple[str]) -> bytes:
        return f"'{values[0]}'".encode()

    def execute(self, sql: str) -> None:
        self.said.append(sql)
        self.description = object() if sql.startswith("SELECT") else None

    def fetchone(self) -> tuple[object]:
        return (self.version.encode() if "version()" in self.said[-1] else b"2026-01-01 00:00:00.5+00:00",)

    def commit(self) -> None:
        self.said.append("COMMIT")

    def set_session(self, **chosen: object) -> None:
        self.said.append(f"{chosen}")

    def get_parameter_status(self, _name: str) -> str:
        return "UTF8"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("scheme", "version"),
    [("cockroachdb", "asked for nothing"), ("postgresql", "CockroachDB CCL v25.1.0 (x86_64-pc-linux-gnu)")],
)
def test_cockroachdb_is_known_by_its_scheme_or_its_version(
    monkeypatch: pytest.MonkeyPatch, scheme: str, version: str
) -> None:
    connection, addresses = Recorded(version), []

    def connect(address: str, **_options: object) -> Recorded:
        addresses.append(address)
        return connection

    monkeypatch.setattr(psycopg2, "connect", connect)
    monkeypatch.setattr(psycopg2.extensions, "register_type", lambda *_: None)
    location = f"{scheme}://ada:secret@db:26257/uro"
    server = Server(location, SourceDefinition(location))
    server.begin(server.connect(), server.moment(connection))
    assert addresses == ["postgresql://ada:secret@db:26257/uro"]
    assert server.dialect(connection) == COCKROACHDB
    assert "{'isolation_level': None, 'readonly': True}" in connection.said
    resolved = connection.said.index("SELECT follower_read_timestamp()::string")
    assert connection.said[resolved + 1 :] == [
        "COMMIT",
        "SET TRANSACTION AS OF SYSTEM TIME '2026-01-01 00:00:00.5+00:00'",
    ]


def test_pauses_grow_to_a_bound_and_success_starts_anew() -> None:
    pauses: list[float] = []
    back_off = BackOff(pauses.append)
    assert [back_off.wait() for _ in range(3)] == [True] * 3
    back_off.succeeded()
    assert [back_off.wait() for _ in range(9)] == [True] * 8 + [False]
    assert pauses == [0.1, 0.2, 0.4, *(0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)]
