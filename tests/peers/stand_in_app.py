"""A small HTTP/1.1 app whose every answer a test decides, in a thread: slow, broken, or not at all.

One thread serves all connections, so while an answer sleeps every other one waits, as in an app that stalls.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

END_OF_HEAD = b"\r\n\r\n"


class After(Enum):
    """What becomes of the connection."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True)
class Act:
    """What is done about one request: `stall_s` of sleep, these bytes (none: no answer), and then `after`."""

    data: bytes = b""
    after: After = After.KEEP
    stall_s: float = 0.0


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "content-type: application/json", *headers]
    return "\r\n".join(lines).encode() + END_OF_HEAD + body


def chunked(*parts: bytes) -> bytes:
    """A whole answer in chunks."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed


@dataclass
class StandInApp:
    """Listens on a port of its own from the beginning of its block to the end.

    `respond` gets the number of a request, from 0, and its head.
    """

    respond: Callable[[int, bytes], Act] = lambda _number, _head: Act(answer())
    host: str = "127.0.0.1"
    heads: list[bytes] = field(default_factory=list)
    """Of the requests that came."""
    connections: int = 0
    """That were made to it."""
    closed: int = 0
    """Of those, by it."""

    def __enter__(self) -> StandInApp:
        self._listening = socket.create_server((self.host, 0), backlog=1024)
        self._port = int(self._listening.getsockname()[1])
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._heard: dict[socket.socket, bytes] = {}
        for one in (self._listening, self._woken):
            self._selector.register(one, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._wake.close()
        self._thread.join(10)
        self._selector.close()

    def stop(self) -> None:
        """End as a process does, once this answer is given; for `respond` to call."""
        self._wake.close()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/recommendations/{{user}}?n=10"

    def _serve(self) -> None:
        while self._hear():
            pass
        for one in (self._listening, self._woken, *self._heard):
            one.close()

    def _hear(self) -> bool:
        """Do what there is to be done; returns whether to go on."""
        for key, _events in self._selector.select():
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if one is self._woken:
                return False
            if one is self._listening:
                self._accept()
            else:
                self._read(one)
        return True

    def _accept(self) -> None:
        connection, _address = self._listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._heard[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._close(connection)
            return
        self._heard[connection] += data
        while connection in self._heard and END_OF_HEAD in self._heard[connection]:
            head, _, self._heard[connection] = self._heard[connection].partition(END_OF_HEAD)
            self._answer(connection, head)

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        self.heads.append(head)
        act = self.respond(len(self.heads) - 1, head)
        time.sleep(act.stall_s)
        try:
            connection.sendall(act.data)
        except ConnectionError:  # the other side has given up
            self._close(connection)
            return
        if act.after is After.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if act.after is not After.KEEP:
            self._close(connection)
            self.closed += 1

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._heard[connection]
        connection.close()
