"""A PostgreSQL or CockroachDB server: connections that only read, each in a transaction of one moment, and its errors.

Both speak the same protocol and nearly the same SQL. What CockroachDB does otherwise: it has no binary COPY and no
named cursors; any transaction may fail with 40001; and a past moment can be read by name, from any replica and again
after a lost connection, so that all pages are of that moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg2
from psycopg2 import extensions

from port_worker.sources import errors
from port_worker.sources.definition import SourceDefinition

SERIALIZATION_FAILURE = "40001"
_UNDEFINED_TABLE, _UNDEFINED_SCHEMA, _QUERY_CANCELLED = "42P01", "3F000", "57014"
_SHOWN_CHARACTERS = 200
_KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}  # a host that vanished is noticed

Connection: TypeAlias = Any  # psycopg2 has no types


@dataclass(frozen=True)
class Dialect:
    """What a server can do. `moment` is the SQL of the past moment to read at, or None for the moment of the start."""

    name: str
    binary_copy: bool
    named_cursors: bool
    moment: str | None


POSTGRESQL = Dialect("PostgreSQL", binary_copy=True, named_cursors=True, moment=None)
COCKROACHDB = Dialect(
    "CockroachDB", binary_copy=False, named_cursors=False, moment="SELECT follower_read_timestamp()::string"
)


class Server:
    """Connects as a definition says. Nothing it raises or shows has the password in it."""

    def __init__(self, location: str, definition: SourceDefinition, dialect: Dialect | None = None) -> None:
        scheme, _, rest = location.partition(":")
        self._address = f"postgresql:{rest}"
        self._definition = definition
        self._dialect = COCKROACHDB if dialect is None and scheme.lower() == "cockroachdb" else dialect
        self.origin = definition.origin

    def connect(self) -> Connection:
        """A connection outside any transaction. Raises psycopg2.Error; SourceError for an address that is none."""
        try:
            connection = psycopg2.connect(
                self._address,
                connect_timeout=max(1, round(self._definition.connect_timeout_s)),
                application_name="port_worker",
                client_encoding="UTF8",
                **_KEEPALIVE,
            )
        except psycopg2.ProgrammingError:  # which shows the address
            raise errors.unreadable(self.origin, "not an address of a database: expected postgresql://...") from None
        try:
            extensions.register_type(
                extensions.BYTES, connection
            )  # bytes that are no UTF-8 are for the rules to refuse
            if connection.get_parameter_status("server_encoding") == "SQL_ASCII":  # in which there may be such
                connection.set_client_encoding("SQL_ASCII")
            milliseconds = max(1, round(self._definition.statement_timeout_s * 1000))
            self._alone(connection, f"SET statement_timeout = {milliseconds}")
            isolation = None if self.dialect(connection) is COCKROACHDB else self._definition.isolation
            connection.set_session(isolation_level=isolation, readonly=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def dialect(self, connection: Connection) -> Dialect:
        """The server's, which is asked for it once."""
        if self._dialect is None:
            version = text(self._alone(connection, "SELECT version()"))
            self._dialect = COCKROACHDB if "CockroachDB" in version else POSTGRESQL
        return self._dialect

    def moment(self, connection: Connection) -> str | None:
        """The past moment to read at from now on; None where each transaction has its own."""
        query = self.dialect(connection).moment
        return None if query is None else text(self._alone(connection, query))

    def begin(self, connection: Connection, moment: str | None) -> None:
        """Begin the transaction, at `moment`. It is over at the next commit or rollback."""
        if moment is not None:  # else the next statement begins it
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION AS OF SYSTEM TIME {literal(cursor, moment)}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction, for a question. Raises SourceError for what psycopg2 raises, within it too."""
        try:
            with closing(self.connect()) as connection:
                yield connection
        except (psycopg2.Error, UnicodeEncodeError) as error:
            raise self.refusal(error) from None

    def refusal(self, error: Exception, about: errors.Origin | None = None) -> errors.SourceError:
        """What a database's error is to the user."""
        origin, code = about or self.origin, getattr(error, "pgcode", None)
        if code in (_UNDEFINED_TABLE, _UNDEFINED_SCHEMA):
            return errors.missing(origin, "table or view")
        if isinstance(error, UnicodeEncodeError):
            return errors.unreadable(origin, f"its encoding, {error.encoding}, has no {error.object!r}")
        if code == _QUERY_CANCELLED:
            return errors.unreadable(origin, f"a query was stopped: {self.said(error)}")
        return errors.unreadable(origin, f"the database says: {self.said(error)}")

    def said(self, error: Exception) -> str:
        """The first line of its message, without the password, should it be there."""
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        secret = re.search(r"://[^:@/]*:([^@]*)@", self._address)
        if secret and secret[1]:
            said = said.replace(secret[1], "***")
        return said[:_SHOWN_CHARACTERS]

    def _alone(self, connection: Connection, statement: str) -> Any:
        """Run a statement in a transaction of its own. Gives the first value of its first row, if it has rows."""
        with connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchone()[0] if cursor.description else None
        connection.commit()
        return found


def is_lost(error: Exception) -> bool:
    """Whether an error of psycopg2 is about the connection, and not about what was asked."""
    if not isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | psycopg2.InternalError):
        return type(error) is psycopg2.DatabaseError  # what libpq tells of no class
    code = getattr(error, "pgcode", None)
    return code is None or code.startswith(("08", "57P"))


def is_serialization_failure(error: Exception) -> bool:
    """Whether the transaction may go right if it is done again."""
    return getattr(error, "pgcode", None) == SERIALIZATION_FAILURE


def literal(cursor: Any, value: object) -> str:
    """A value as SQL writes it. Raises UnicodeEncodeError for text that is none."""
    written: bytes = cursor.mogrify("%s", (value,))
    return written.decode()


def text(value: Any) -> str:
    """A value of a column of text; what is no UTF-8 in it becomes lone surrogates."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def texts(values: Any) -> list[str | None]:
    """A column of text, in which there may be NULLs."""
    return [None if value is None else text(value) for value in values]
