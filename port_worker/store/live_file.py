"""The SQLite file of `live`: made whole or not at all, opened, and set aside when it is damaged.

A file is built under another name and linked to its own, so that there is never a half made one. Names change hands
(made, opened for the first time, set aside) under an flock on the folder: SQLite finds a write-ahead log by its name,
and a log must never meet a database that is not its own. What is open follows the file by its inode, see `identity`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from port_worker.store import durable, staging
from port_worker.store.errors import FeedbackUnavailable

FORMAT = 1
BUSY_S = 0.05
"""How long a call waits for another process that writes. A writer that goes by slices holds the file for some ms."""
CACHE_KIB = 16 * 1024
"""Pages kept by a connection, once they were read: what holds the index of a million rows."""
MAX_WAL_PAGES = 16 * 1024
"""Pages (4 KiB) in the log from which on a commit itself writes back, see `checkpoints`."""

_APPLICATION = 0x5057_4C56
_SCHEMA = """
    CREATE TABLE feedback (arrival INTEGER PRIMARY KEY, bucket INTEGER NOT NULL,
        user NOT NULL, item NOT NULL, weight REAL NOT NULL, time NOT NULL);
    CREATE INDEX feedback_by_bucket ON feedback (bucket);
    CREATE TABLE hidden (item NOT NULL PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE totals (rows INTEGER NOT NULL, hidden INTEGER NOT NULL, hidden_version INTEGER NOT NULL);"""
_TABLES = "SELECT count(*) FROM sqlite_master WHERE name IN ('feedback', 'feedback_by_bucket', 'hidden', 'totals')"

Identity = tuple[int, int]


class LiveFile:
    """The file at `path`, which need not exist. Every method raises FeedbackUnavailable."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def identity(self) -> Identity | None:
        """Which file has the name now: device and inode, or None."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - asked in every call: a third of the time of Path.stat
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def open(self) -> sqlite3.Connection | None:
        """A connection to the file, or None while there is none. A damaged file is set aside, and said to be so."""
        if self.identity() is None:
            return None
        with self._naming():
            return self._open()

    def make(self) -> sqlite3.Connection:
        """A connection to the file, which is made if there is none."""
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._naming():
            if self.identity() is None:
                self._create([])
            opened = self._open()
        if opened is None:
            raise self.unavailable("a file that stays", "removed at once")
        return opened

    def replace(self, damaged: Identity | None, why: object) -> None:
        """Set the file aside, unless another process has, and start anew with the hidden items that it still tells."""
        with self._naming():
            if self.identity() == damaged:
                self._replace(why)

    def unavailable(self, expected: str, found: object) -> FeedbackUnavailable:
        return FeedbackUnavailable(self.path.name, expected, found)

    def _open(self) -> sqlite3.Connection | None:
        if self.identity() is None:
            return None
        with self._told():
            try:
                return self._connect()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._replace(error)
                return self._connect()

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._checked("mode=rw")
        except sqlite3.OperationalError:
            # A folder that cannot be written has no place for the log's index. Without a log, nothing is in it.
            if os.access(self.path.parent, os.W_OK) or self._beside("-wal").exists():
                raise
            return self._checked("mode=ro&immutable=1")

    def _checked(self, mode: str) -> sqlite3.Connection:
        connection = _connection(self.path, mode)
        try:
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise sqlite3.DatabaseError("not a file of feedback")
        if found > FORMAT:
            raise self.unavailable(f"format {FORMAT}", f"format {found}, which a later port_worker made")
        (tables,) = connection.execute(_TABLES).fetchone()
        if tables != 4 or connection.execute("SELECT count(*) FROM totals").fetchone() != (1,):
            raise sqlite3.DatabaseError("tables are missing")

    def _create(self, hidden: Iterable[tuple[object]]) -> None:
        with self._told():
            staging.sweep(self.path.parent)
            self._set_aside_log(self._free_name())
            with staging.staging_folder(self.path.parent) as folder:
                made = folder / self.path.name
                os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                _fill(made, hidden)
                durable.sync_file(made)
                os.link(made, self.path)
            durable.sync_folder(self.path.parent)

    def _replace(self, why: object) -> None:
        aside = self._free_name()
        with self._told():
            self.path.rename(aside)
            self._set_aside_log(aside)
            hidden, whole = _salvage(aside)
            self._create(hidden)
        kept = f"{'all' if whole else 'not all'} hidden items were carried over ({len(hidden)}), no feedback was"
        sys.stderr.write(
            f"port_worker: {self.path}: damaged ({why}): set aside as {aside.name}, started anew: {kept}\n"
        )

    def _set_aside_log(self, aside: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._beside("-wal").rename(aside.with_name(f"{aside.name}-wal"))
        self._beside("-shm").unlink(missing_ok=True)

    def _free_name(self) -> Path:
        names = (self.path.with_name(f"{self.path.name}.damaged{f'.{n}' if n else ''}") for n in count())
        return next(name for name in names if not os.path.lexists(name))

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Alone among the processes that give, take or look up the file's names."""
        with self._told():
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(folder)
            yield
        finally:
            fcntl.flock(folder, fcntl.LOCK_UN)
            os.close(folder)

    def _lock(self, folder: int) -> None:
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self.unavailable("its folder unlocked", f"locked for {BUSY_S} s") from None
            time.sleep(0.001)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self.unavailable("a file that SQLite reads and writes", error) from error
        except OSError as error:
            raise self.unavailable("a folder to keep it in", error.strerror) from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not what was written. SQLite's operational errors are busy, full, read-only and the like."""
    return type(error) is sqlite3.DatabaseError


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_S, isolation_level=None)
    # With a log, NORMAL flushes at checkpoints alone: a kill loses nothing, a power cut the last moments, not the file.
    for setting in (
        "synchronous = NORMAL",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {MAX_WAL_PAGES}",
        f"journal_size_limit = {MAX_WAL_PAGES * 4096}",
        "secure_delete = OFF",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _fill(path: Path, hidden: Iterable[tuple[object]]) -> None:
    with closing(_connection(path, "mode=rw")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # it is flushed as a whole before it gets its name
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.executemany("INSERT INTO hidden VALUES (?)", hidden)
        # Versions start from the clock, so that those of one file are not taken for those of the file before it.
        started = time.time_ns() // 1000
        connection.execute("INSERT INTO totals SELECT 0, count(*), ? FROM hidden", (started,))
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")


def _salvage(damaged: Path) -> tuple[list[tuple[object]], bool]:
    """The hidden items that can be read, and whether that was all: who hid an item counts on it."""
    hidden: list[tuple[object]] = []
    try:
        with closing(_connection(damaged, "mode=rw")) as connection:
            for row in connection.execute("SELECT item FROM hidden"):
                hidden.append(row)  # noqa: PERF402 - what was read before an error counts
            return hidden, connection.execute("SELECT hidden FROM totals").fetchone() == (len(hidden),)
    except sqlite3.Error:
        return hidden, False
