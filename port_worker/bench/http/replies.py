"""The answers that come on one connection, from bytes; no I/O."""

from __future__ import annotations

from dataclasses import dataclass

import httptools

MOST_BYTES = 8 << 20
"""Of one answer, its headers and its framing with it."""

CLOSED = "connection_closed"  # before any byte of the answer
TRUNCATED = "answer_truncated"
MALFORMED = "answer_malformed"
TOO_LARGE = "answer_too_large"

_SIZED = (b"content-length", b"transfer-encoding")


class NoReplyError(Exception):
    """The connection gives no answer to what was asked on it, and none to anything else; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Reply:
    """An answer; `keeps`: whether another request may follow on its connection."""

    status: int
    body: bytes
    keeps: bool


class Replies:
    """Reads the answers to requests that are made one after the other, and is told of each: `expect`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._expected = False
        self._begin()

    def _begin(self) -> None:
        self._heard = 0
        self._parts: list[bytes] = []
        self._sized = self._in_body = False
        self._whole: Reply | None = None

    def expect(self) -> None:
        """A request is sent."""
        self._expected = True
        self._begin()

    def feed(self, data: bytes) -> Reply | None:
        """Bytes have come; the answer, once it is whole. Raises NoReplyError, also for what nobody asked for."""
        self._heard += len(data)
        if not self._expected:
            raise NoReplyError(MALFORMED)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise NoReplyError(MALFORMED) from None
        if self._heard > MOST_BYTES:
            raise NoReplyError(TOO_LARGE)
        return self._taken()

    def end(self) -> Reply | None:
        """The other side has closed: the answer, if it is one that lasts until then. Raises NoReplyError otherwise."""
        if not self._expected or not self._heard:
            raise NoReplyError(CLOSED)
        if not self._in_body or self._sized:
            raise NoReplyError(TRUNCATED)
        self._whole = Reply(self._parser.get_status_code(), b"".join(self._parts), keeps=False)
        return self._taken()

    def close(self) -> None:
        """No more comes: lets go of the parser, which holds this object as this holds it."""
        del self._parser

    def _taken(self) -> Reply | None:
        if self._whole is not None:
            self._expected = False
        return self._whole

    # What the parser calls

    def on_header(self, name: bytes, _value: bytes) -> None:
        """One of an answer's headers."""
        self._sized |= name.lower() in _SIZED

    def on_headers_complete(self) -> None:
        """The body, if any, follows."""
        self._in_body = True

    def on_body(self, part: bytes) -> None:
        """Some of it, without the framing of chunks."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """An answer is whole; one of 1xx only announces another."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._parts, self._sized, self._in_body = [], False, False
        elif self._whole is None:
            self._whole = Reply(status, b"".join(self._parts), self._parser.should_keep_alive())
        else:  # a second answer to one request: what follows on this connection could be anybody's
            self._whole = Reply(self._whole.status, self._whole.body, keeps=False)
