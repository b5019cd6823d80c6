"""Requests over HTTP/1.1 on connections that stay open, one at a time on each: a load tool's keep-alive client."""

from __future__ import annotations

import json
import re
import selectors
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

from port_worker.bench.serving.closed_loop import Encoded
from port_worker.bench.serving.pipe import NoAnswerError

_READ_BYTES = 64 * 1024
_SILENCE_S = 120.0
_LENGTH = re.compile(rb"^content-length: *(\d+)\r?$", re.IGNORECASE | re.MULTILINE)

Answer: TypeAlias = tuple[int, bytes]
"""The id of the request, and the response whole."""


def post(path: str, body: Any) -> bytes:
    """The bytes of a request whose body is JSON."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return head.encode() + b"\r\n\r\n" + content


def body_of(response: bytes) -> Any:
    """The JSON in a response. Raises NoAnswerError unless its status is 200."""
    head, _blank, body = response.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1] != b"200":
        raise NoAnswerError(f"expected HTTP status 200, got {response.decode('utf-8', 'replace')[:200]!r}")
    return json.loads(body)


class HttpLink:
    """A `Link` of so many connections to a port of this machine; a context manager that closes them.

    Raises OSError where nobody listens.
    """

    def __init__(self, port: int, connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._free: list[socket.socket] = []
        self._all: list[socket.socket] = []
        self._waiting: dict[socket.socket, tuple[int, bytearray]] = {}
        try:
            for _ in range(connections):
                self._connect(port)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> HttpLink:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._selector.close()
        for connection in self._all:
            connection.close()

    def send_encoded(self, requests: Sequence[Encoded]) -> None:
        """As `Link`: each on a connection that waits for nothing, of which there have to be so many."""
        for request_id, payload in requests:
            connection = self._free.pop()
            self._waiting[connection] = (request_id, bytearray())
            connection.sendall(payload)

    def some_answers(self) -> list[Answer]:
        """As `Link`."""
        while True:
            ready = self._selector.select(_SILENCE_S)
            if not ready:
                raise NoAnswerError(f"the server said nothing for {_SILENCE_S:g} s")
            found = [one for key, _events in ready if (one := self._read(key.fileobj)) is not None]
            if found:
                return found

    def id_of(self, answer: Answer) -> int:
        """As `Link`."""
        body_of(answer[1])
        return answer[0]

    def _connect(self, port: int) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._all.append(connection)
        self._free.append(connection)
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: Any) -> Answer | None:
        data = connection.recv(_READ_BYTES)
        if not data or connection not in self._waiting:
            raise NoAnswerError("the server closed a connection, or spoke out of turn")
        request_id, heard = self._waiting[connection]
        heard += data
        if not _is_whole(heard):
            return None
        del self._waiting[connection]
        self._free.append(connection)
        return request_id, bytes(heard)


def _is_whole(heard: bytearray) -> bool:
    ends = heard.find(b"\r\n\r\n")
    if ends < 0:
        return False
    length = _LENGTH.search(heard, 0, ends + 2)
    if length is None:
        raise NoAnswerError("expected a response with its Content-Length, got one without")
    return len(heard) >= ends + 4 + int(length[1])
