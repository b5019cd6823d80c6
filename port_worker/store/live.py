"""What a worker was told after its model was trained: feedback, and items to hide. One SQLite file, shared by workers.

Feedback is a log of arrivals: adding is an append, whatever came before. The rows of one user and item are summed when
they are read. A user's rows are found by `bucket`, 32 bits of the id: an index of a third of the size of one of UUIDs,
which stays in memory. Ids are integers or strings, and `1` is not `"1"`: no column of ids has an affinity.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from port_worker.store.checkpoints import Checkpoints
from port_worker.store.errors import FeedbackUnavailable, TooManyHidden
from port_worker.store.live_file import Identity, LiveFile, is_damage

MAX_BATCH = 100_000
MAX_ROWS = 1_000_000
MAX_HIDDEN = 1_000_000
MAX_OF_USER = 4096
"""Rows of one user that are read, the last to arrive. A row takes some microseconds."""
MAX_WEIGHT = 1e30
"""What sums of MAX_OF_USER weights are still finite float32 with."""
_FOLLOW_SECONDS = 0.02
"""How long a file is taken for the one that has the name: asking costs as much as a query."""
SLICE_ROWS = 50
"""Rows that are looked at, and dropped, between two yields: about half a millisecond, one page of the index a row."""

Id = int | str
Ids = Sequence[Id] | NDArray[Any]
Numbers = Sequence[float] | NDArray[Any]
Result = TypeVar("Result")

_INSERT = "INSERT INTO feedback (bucket, user, item, weight, time) VALUES (?, ?, ?, ?, ?)"
_DROP_OLDEST = "DELETE FROM feedback WHERE arrival IN (SELECT arrival FROM feedback ORDER BY arrival LIMIT ?)"
_DROP = "DELETE FROM feedback WHERE arrival = ? AND user = ? AND item = ? AND time = ?"
_SLICE = f"""SELECT arrival, user, item, time FROM feedback
    WHERE arrival > ? AND arrival <= ? ORDER BY arrival LIMIT {SLICE_ROWS}"""  # noqa: S608
_OF_USER = f"""SELECT item, weight, time FROM feedback
    WHERE bucket = ? AND user = ? ORDER BY arrival DESC LIMIT {MAX_OF_USER}"""  # noqa: S608
_LAST = "SELECT max(arrival) FROM feedback"
_HIDDEN = "SELECT item FROM hidden ORDER BY item"
_BUCKETS = "SELECT DISTINCT bucket FROM feedback WHERE bucket IN ({})"
_BUCKETS_PER_QUERY = 64


class Fed(NamedTuple):
    """What was told of one user and item: summed weight, latest time."""

    item: Id
    weight: float
    time: float


class Totals(NamedTuple):
    """`rows` of feedback and `hidden` items kept. `hidden_version` grows by one with each change of what is hidden."""

    rows: int
    hidden: int
    hidden_version: int


_NOTHING = Totals(0, 0, 0)


class LiveStore:
    """The file at `path`, opened when it is first needed and made by the first write. For one thread.

    Every method may raise FeedbackUnavailable: another process has been writing for too long, the disk is full, the
    folder is read-only, the file is of a later format. Nothing was changed then. A damaged file is set aside with a
    line on stderr, and the call goes on with a new one.
    """

    def __init__(
        self,
        path: Path,
        max_rows: int = MAX_ROWS,
        max_hidden: int = MAX_HIDDEN,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._followed_until = -math.inf
        self._file = LiveFile(path)
        self._checkpoints = Checkpoints(self._file)
        self._max_rows = max_rows
        self._max_hidden = max_hidden
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._data_version = -1
        self._totals = _NOTHING
        self._version = 0

    def totals(self) -> Totals:
        """How much is kept now, by whichever process: some microseconds."""
        return self._read(lambda _: self._totals, _NOTHING)

    def version(self) -> int:
        """A number that grows whenever this process or another has changed something. Of this object alone."""
        self.totals()
        return self._version

    def look(self, users: Sequence[Id]) -> tuple[Totals, dict[Id, list[Fed]]]:
        """`totals` and `of_users`, of one moment."""
        nothing: dict[Id, list[Fed]] = {}
        return self._read(lambda connection: (self._totals, self._of_users(connection, users)), (_NOTHING, nothing))

    def add(self, users: Ids, items: Ids, weights: Numbers, times: Numbers) -> int:
        """Keep up to MAX_BATCH rows, all or none, and drop the oldest arrivals past `max_rows`. Returns the rows kept.

        Ids are lists, or columns: int64, or 'S<k>' of UTF-8. Raises ValueError: columns of unlike lengths, an integer
        past 64 bits, a text that is no UTF-8, a weight past MAX_WEIGHT, a weight or time that is not finite.
        """
        lengths = {len(users), len(items), len(weights), len(times)}
        if len(lengths) > 1 or len(users) > MAX_BATCH:
            raise ValueError(f"rows: expected four columns of one length, at most {MAX_BATCH}, got {sorted(lengths)}")
        _check_within("weights", weights, MAX_WEIGHT)
        _check_within("times", times, np.finfo(np.float64).max)
        user_ids = _plain(users)
        columns = (_buckets(user_ids), user_ids, _plain(items), _numbers(weights), _numbers(times))

        def append(connection: sqlite3.Connection, before: Totals) -> Totals:
            connection.executemany(_INSERT, zip(*columns, strict=True))
            kept = before.rows + len(user_ids)
            if kept > self._max_rows:
                kept -= connection.execute(_DROP_OLDEST, (kept - self._max_rows,)).rowcount
            return before._replace(rows=kept)

        return self._write(append, len(user_ids)).rows

    def of_users(self, users: Sequence[Id]) -> dict[Id, list[Fed]]:
        """What was told of those users that anything was told of, each user's oldest first, each item once."""
        return self._read(lambda connection: self._of_users(connection, users), {})

    def hide(self, items: Ids) -> int:
        """Hide items, all or none; returns how many were not hidden before. Raises TooManyHidden, ValueError."""
        return self._change_hidden("INSERT OR IGNORE INTO hidden VALUES (?)", items, 1)

    def show(self, items: Ids) -> int:
        """Undo `hide`; returns how many were hidden before. Raises ValueError."""
        return self._change_hidden("DELETE FROM hidden WHERE item = ?", items, -1)

    def hidden(self) -> list[Id]:
        """The hidden items, integers before strings, ascending."""
        return self._read(lambda connection: [item for (item,) in connection.execute(_HIDDEN)], [])

    def forget_learnt(self, learnt: Callable[[list[tuple[Id, Id, float]]], Sequence[bool]]) -> Iterator[int]:
        """Drop the rows, (user, item, time), that `learnt` says so of; yields how many so far, after each slice.

        Every row that is there at the start is asked about once. Any number of processes may do it, and write, at once.
        """
        after, dropped, last = 0, 0, self._last_arrival()
        while rows := self._slice(after, last):
            which = learnt([row[1:] for row in rows])
            dropped += self._drop([row for row, known in zip(rows, which, strict=True) if known])
            after = rows[-1][0]
            yield dropped

    def close(self) -> None:
        """Write back what is in the log, if no other process has the file open, and let go of it."""
        self._checkpoints.wait()
        self._disconnect()

    def _of_users(self, connection: sqlite3.Connection, users: Sequence[Id]) -> dict[Id, list[Fed]]:
        if not self._totals.rows:
            return {}
        buckets = _buckets(users)
        some = _there(connection, buckets) if len(users) > 1 else buckets
        found: dict[Id, list[Fed]] = {}
        for user, bucket in zip(users, buckets, strict=True):
            if bucket in some and (rows := connection.execute(_OF_USER, (bucket, user)).fetchall()):
                found[user] = _summed(rows)
        return found

    def _change_hidden(self, statement: str, items: Ids, sign: int) -> int:
        ids = [(item,) for item in _plain(items)]
        changed = 0

        def change(connection: sqlite3.Connection, before: Totals) -> Totals:
            nonlocal changed
            changed = connection.executemany(statement, ids).rowcount if ids else 0
            hidden = before.hidden + sign * changed
            if sign > 0 and hidden > self._max_hidden:
                raise TooManyHidden(self._max_hidden, hidden)
            return before._replace(hidden=hidden, hidden_version=before.hidden_version + bool(changed))

        self._write(change, len(ids))
        return changed

    def _last_arrival(self) -> int:
        (last,) = self._read(lambda connection: connection.execute(_LAST).fetchone(), (0,))
        return last or 0

    def _slice(self, after: int, last: int) -> list[tuple[Any, ...]]:
        return self._read(lambda connection: connection.execute(_SLICE, (after, last)).fetchall(), [])

    def _drop(self, rows: list[tuple[Any, ...]]) -> int:
        """Drop those of these rows that are still as they were read."""
        if not rows:
            return 0
        dropped = 0

        def drop(connection: sqlite3.Connection, before: Totals) -> Totals:
            nonlocal dropped
            dropped = connection.executemany(_DROP, rows).rowcount
            return before._replace(rows=before.rows - dropped)

        self._write(drop, len(rows))
        return dropped

    def _read(self, work: Callable[[sqlite3.Connection], Result], nothing: Result) -> Result:
        """`work`, with `_totals` of now; `nothing` while there is no file."""

        def attempt() -> Result:
            if not self._follow():
                return nothing
            assert self._connection is not None
            self._refresh(self._connection)
            return work(self._connection)

        return self._attempt(attempt)

    def _write(self, work: Callable[[sqlite3.Connection, Totals], Totals], rows: int) -> Totals:
        """`work` in a transaction of its own: from the totals before to those after. `rows` says how much it writes."""

        def attempt() -> Totals:
            if not self._follow(at_once=True):  # what is written must not go where nobody reads
                self._connected(self._file.make())
            assert self._connection is not None
            return self._transaction(self._connection, work)

        before = self._identity
        self._totals = self._attempt(attempt)
        self._version += 1
        self._checkpoints.wrote(rows)
        if self._identity != before:
            self._sleep(_FOLLOW_SECONDS)  # so that no other process takes an older file for this one any more
        return self._totals

    def _transaction(
        self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection, Totals], Totals]
    ) -> Totals:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = _stored_totals(connection)
            after = work(connection, before)
            if after != before:
                connection.execute("UPDATE totals SET rows = ?, hidden = ?, hidden_version = ?", after)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back what a full disk stopped
                connection.execute("ROLLBACK")
            raise
        return after

    def _attempt(self, work: Callable[[], Result]) -> Result:
        """`work`, and once more on a new file when the one that is there turns out to be damaged."""
        try:
            return work()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise self._unavailable(error) from error
            damaged, why = self._identity, error
        except (OverflowError, UnicodeEncodeError) as error:
            raise ValueError(f"ids: expected 64-bit integers and UTF-8 text, got {error}") from error
        self._disconnect()
        self._file.replace(damaged, why)
        try:
            return work()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> FeedbackUnavailable:
        return self._file.unavailable("a file that can be read and written", error)

    def _follow(self, *, at_once: bool = False) -> bool:
        """Be connected to the file that has the name, or had it a moment ago, and say whether there is one."""
        now = self._clock()
        if not at_once and now < self._followed_until:
            return self._connection is not None
        self._followed_until = -math.inf  # what cannot be opened is no file that is not there
        found = self._file.identity()
        if self._connection is None or found != self._identity:
            self._disconnect()
            if found is not None and (opened := self._file.open()):
                self._connected(opened)
        self._followed_until = now + _FOLLOW_SECONDS
        return self._connection is not None

    def _connected(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._identity = self._file.identity()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection, self._data_version, self._totals = None, -1, _NOTHING
            self._version += 1

    def _refresh(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA data_version").fetchone()
        if found != self._data_version:
            self._totals = _stored_totals(connection)
            self._data_version = found
            self._version += 1


def _stored_totals(connection: sqlite3.Connection) -> Totals:
    return Totals(*connection.execute("SELECT rows, hidden, hidden_version FROM totals").fetchone())


def _there(connection: sqlite3.Connection, buckets: list[int]) -> set[int]:
    """Those of the buckets that have any row."""
    there: set[int] = set()
    for start in range(0, len(buckets), _BUCKETS_PER_QUERY):
        some = buckets[start : start + _BUCKETS_PER_QUERY]
        query = _BUCKETS.format(",".join("?" * len(some)))
        there.update(bucket for (bucket,) in connection.execute(query, some))
    return there


def _summed(rows: list[tuple[Id, float, float]]) -> list[Fed]:
    """One of each item, from rows of which the last arrival is first; oldest first, ties by last arrival."""
    met: dict[Id, Fed] = {}
    for item, weight, time in reversed(rows):
        earlier = met.pop(item, None)
        met[item] = Fed(item, weight, time) if earlier is None else _sum(earlier, weight, time)
    return sorted(met.values(), key=lambda fed: fed.time)


def _sum(earlier: Fed, weight: float, time: float) -> Fed:
    return Fed(earlier.item, earlier.weight + weight, max(earlier.time, time))


def _buckets(users: Sequence[Id]) -> list[int]:
    return [crc32(user.encode()) if isinstance(user, str) else user & 0xFFFF_FFFF for user in users]


def _plain(ids: Ids) -> Sequence[Id]:
    if not isinstance(ids, np.ndarray):
        return ids
    found: list[Any] = ids.tolist()
    return [text.decode() for text in found] if ids.dtype.kind == "S" else found


def _numbers(values: Numbers) -> Sequence[float]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _check_within(name: str, values: Numbers, limit: float) -> None:
    try:
        within = bool((np.abs(np.asarray(values, dtype=np.float64)) <= limit).all())
    except OverflowError:  # an integer that no float comes near
        within = False
    if not within:
        raise ValueError(f"{name}: expected finite numbers within {limit:g} of zero, got others")
