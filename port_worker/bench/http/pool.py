"""Connections to one server, as the one worker that a `Load` drives.

A call takes a connection that is free, else opens another, and where there are as many as may be it waits for one:
clients of a real service wait too, and the latency from the due time has that in it. From when it is handed over, each
call has the same time; one that takes longer ends as a timeout, and its connection, on which its answer may still
come, is closed. A call is never made twice.
"""

from __future__ import annotations

import select
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from port_worker.bench.http.connection import Connection
from port_worker.bench.http.outcomes import TIMEOUT, Outcome, asked, code_of, framed, outcome_of
from port_worker.bench.http.replies import NoReplyError, Reply
from port_worker.bench.http.target import Address
from port_worker.bench.stages import NS

_LAST_ID = (1 << 31) - 1
_ALONE = (0,)


@dataclass
class Use:
    """Of a pool's connections: how many were opened, how many were at most in use at a time, and how many calls at
    most waited for one."""

    opened: int = 0
    busy_max: int = 0
    waiting_max: int = 0


class Pool:
    """`load.Workers` of one place; a context manager that closes all connections.

    Args:
        address: of the server.
        connections: the most at a time.
        timeout_ms: of each call.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        address: Address,
        connections: int,
        timeout_ms: int,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._address = address
        self._most = connections
        self._timeout_ns = timeout_ms * 1_000_000
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._open: set[Connection] = set()
        self._free: list[Connection] = []
        self._waiting: dict[int, bytes] = {}
        self._busy: dict[int, Connection] = {}
        self._ends: deque[tuple[int, int]] = deque()
        self._frames: list[bytes] = []
        self._last_id = 0
        self.use = Use()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_exception: object) -> None:
        for connection in self._open:
            connection.close()
        self._selector.close()

    def facts(self) -> dict[str, Any]:
        """Its use, as a report has it."""
        return asdict(self.use)

    def ready(self) -> Sequence[int]:
        """As `Workers`: always, a server that is not there is one that refuses."""
        return _ALONE

    def comes_back(self) -> bool:
        """As `Workers`."""
        return False

    def new_id(self) -> int:
        """As `Workers`."""
        self._last_id = self._last_id + 1 if self._last_id < _LAST_ID else 1
        return self._last_id

    def unsent_bytes(self, _worker: int) -> int:
        """As `Workers`: what waits is bounded by its time."""
        return 0

    def send(self, _worker: int, *payloads: bytes) -> None:
        """As `Workers`: an id and a request each."""
        ends_ns = self._clock() + self._timeout_ns
        for payload in payloads:
            call, request = asked(payload)
            self._waiting[call] = request
            self._ends.append((ends_ns, call))
        self._assign()

    def wait(self, timeout: float) -> Sequence[int]:
        """As `Workers`."""
        if self._frames:
            timeout = 0.0
        elif self._ends:
            timeout = min(timeout, (self._ends[0][0] - self._clock()) / NS)
        # select(2) on the selector: its timeout counts microseconds where epoll's counts milliseconds.
        if select.select((self._selector,), (), (), max(timeout, 0.0))[0]:
            for key, events in self._selector.select(0):
                self._hear(key.data, events)
        self._expire()
        self._assign()
        return _ALONE if self._frames else ()

    def receive(self, _worker: int) -> Sequence[bytes]:
        """As `Workers`: how calls have ended, as `outcomes.OutcomeReader` reads it."""
        frames, self._frames = self._frames, []
        return frames

    # Calls

    def _assign(self) -> None:
        """Let calls that wait go, the oldest first, as long as there are connections for them."""
        while self._waiting and (self._free or len(self._open) < self._most):
            call = next(iter(self._waiting))
            self._ask(call, self._waiting.pop(call))
        self.use.busy_max = max(self.use.busy_max, len(self._busy))
        self.use.waiting_max = max(self.use.waiting_max, len(self._waiting))

    def _ask(self, call: int, request: bytes) -> None:
        try:
            connection = self._free.pop() if self._free else self._connected()
        except OSError as error:
            self._end(call, Outcome(code_of(error)))
            return
        self._busy[call] = connection
        try:
            connection.ask(call, request)
        except OSError as error:
            self._drop(connection, code_of(error))
            return
        self._watch(connection)

    def _end(self, call: int, outcome: Outcome) -> None:
        self._frames.append(framed(call, outcome))

    def _expire(self) -> None:
        now_ns = self._clock()
        while self._ends and (self._has_ended(call := self._ends[0][1]) or self._ends[0][0] <= now_ns):
            self._ends.popleft()
            if self._waiting.pop(call, None) is not None:
                self._end(call, Outcome(TIMEOUT))
            elif (connection := self._busy.get(call)) is not None:
                self._drop(connection, TIMEOUT)

    def _has_ended(self, call: int) -> bool:
        return call not in self._busy and call not in self._waiting

    # Connections

    def _connected(self) -> Connection:
        connection = Connection(self._address)
        self._selector.register(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        self._open.add(connection)
        self.use.opened += 1
        return connection

    def _watch(self, connection: Connection) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.wants_to_write else 0)
        if self._selector.get_key(connection.socket).events != wanted:
            self._selector.modify(connection.socket, wanted, connection)

    def _hear(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                connection.writable()
                self._watch(connection)
            reply = connection.readable() if events & selectors.EVENT_READ else None
        except OSError as error:
            self._drop(connection, code_of(error))
        except NoReplyError as error:
            self._drop(connection, error.code)
        else:
            if reply is not None:
                self._take(connection, reply)

    def _take(self, connection: Connection, reply: Reply) -> None:
        call, connection.call = connection.call, None
        assert call is not None, "a reply is to what was asked"
        del self._busy[call]
        self._end(call, outcome_of(reply))
        if reply.keeps and not connection.wants_to_write:
            self._free.append(connection)
        else:
            self._close(connection)

    def _drop(self, connection: Connection, code: str) -> None:
        """Close it; what was asked on it ends so."""
        self._close(connection)
        if connection.call is None:
            self._free.remove(connection)
        else:
            del self._busy[connection.call]
            self._end(connection.call, Outcome(code))

    def _close(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._selector.unregister(connection.socket)
        connection.close()
