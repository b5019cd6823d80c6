"""One connection that stays open, with at most one request at a time on it."""

from __future__ import annotations

import errno
import os
import socket

from port_worker.bench.http.replies import Replies, Reply
from port_worker.bench.http.target import Address

_READ_BYTES = 64 * 1024


class Connection:
    """Connects without blocking. Raises OSError where that fails at once.

    Args:
        address: of the server.
    """

    def __init__(self, address: Address) -> None:
        family, place = address
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.call: int | None = None
        """What is asked on it."""
        self._unsent = b""
        self._connects = True
        self._replies = Replies()
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            status = self.socket.connect_ex(place)
            if status not in (0, errno.EINPROGRESS):
                raise OSError(status, os.strerror(status))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close it, whatever it is in."""
        self.socket.close()
        self._replies.close()

    @property
    def wants_to_write(self) -> bool:
        """Whether it waits for the socket to be writable."""
        return self._connects or bool(self._unsent)

    def ask(self, call: int, request: bytes) -> None:
        """Send a request, now or as soon as it is connected. Raises OSError."""
        self.call = call
        self._unsent = request
        self._replies.expect()
        if not self._connects:
            self._send()

    def writable(self) -> None:
        """The socket is. Raises OSError, also where the connection failed."""
        if self._connects:
            status = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                raise OSError(status, os.strerror(status))
            self._connects = False
        self._send()

    def readable(self) -> Reply | None:
        """The socket is: the reply to what was asked, once it is whole. Raises OSError, NoReplyError."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        return self._replies.feed(data) if data else self._replies.end()

    def _send(self) -> None:
        try:
            sent = self.socket.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            return
        self._unsent = self._unsent[sent:]
