"""Whether an app is there and gives a good answer, before anything is measured."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from http import HTTPStatus

from port_worker.bench.http.connection import Connection
from port_worker.bench.http.outcomes import code_of
from port_worker.bench.http.replies import NoReplyError, Reply
from port_worker.bench.http.target import Address

_SHOWN_BYTES = 200


class NoAppError(Exception):
    """Nobody answers as an app that can be measured; says who was asked, what was expected and what came."""


def first_that_answers(url: str, addresses: Sequence[Address], request: bytes, timeout_ms: int) -> Address:
    """The first of at least one address that gives a good answer. Raises NoAppError, about the last one, without any.

    `localhost` is two addresses, of which an app often listens at one.
    """
    assert addresses, "a host has an address"
    why = ""
    for address in addresses:
        try:
            reply = ask(address, request, timeout_ms)
        except (OSError, NoReplyError) as error:
            why = f"{error.code if isinstance(error, NoReplyError) else code_of(error)} at {_shown(address)}"
            continue
        if 200 <= reply.status < 300:
            return address
        why = _described(reply)
    raise NoAppError(f"{url}: expected a good answer (2xx) before the load, got {why}")


def ask(address: Address, request: bytes, timeout_ms: int) -> Reply:
    """Send one request on a connection of its own. Raises OSError, TimeoutError among them, or NoReplyError."""
    ends_s = time.monotonic() + timeout_ms / 1000
    connection = Connection(address)
    try:
        connection.ask(0, request)
        while (left_s := ends_s - time.monotonic()) > 0:
            writing = [connection.socket] if connection.wants_to_write else []
            readable, writable, _ = select.select([connection.socket], writing, (), left_s)
            if writable:
                connection.writable()
            reply = connection.readable() if readable else None
            if reply is not None:
                return reply
        raise TimeoutError(f"no answer within {timeout_ms} ms")
    finally:
        connection.close()


def _shown(address: Address) -> str:
    host, port = address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _described(reply: Reply) -> str:
    """`404 Not Found, "..."`."""
    phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else "?"
    body = reply.body[:_SHOWN_BYTES].decode("utf-8", "replace")
    return f"{reply.status} {phrase}, {body!r}"
