"""Connections to a stand-in app, as the worker of a load."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from port_worker.bench.http.outcomes import (
    FAILED,
    FALLBACK,
    OVERLOADED,
    REFUSED,
    RESET,
    TIMEOUT,
    OutcomeReader,
    code_of,
)
from port_worker.bench.http.pool import Pool
from port_worker.bench.http.probe import NoAppError, first_that_answers
from port_worker.bench.http.replies import CLOSED, MALFORMED, TRUNCATED
from port_worker.bench.http.target import Address
from port_worker.bench.wire import Answer, Prepared
from tests.peers.stand_in_app import Act, After, StandInApp, answer, chunked

REQUEST = Prepared("GET", b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
LIMIT_S = 10.0
ENDLESS_MS = 60_000


def address_of(port: int) -> Address:
    return socket.AF_INET, ("127.0.0.1", port)


@contextmanager
def pool_of(app: StandInApp, connections: int = 4, timeout_ms: int = ENDLESS_MS) -> Iterator[Pool]:
    with Pool(address_of(app.port), connections, timeout_ms) as pool:
        yield pool


def ask(pool: Pool, calls: int = 1) -> list[int]:
    """Send some at once; returns their ids."""
    ids = [pool.new_id() for _ in range(calls)]
    pool.send(0, *(REQUEST.payload(call) for call in ids))
    return ids


def answers(pool: Pool, count: int) -> Sequence[Answer]:
    """Wait for so many ends of calls."""
    reader = OutcomeReader()
    found: list[Answer] = []
    ends = time.monotonic() + LIMIT_S
    while len(found) < count:
        assert time.monotonic() < ends, f"{len(found)} of {count} calls have ended"
        for worker in pool.wait(0.1):
            found += [reader.read(payload) for payload in pool.receive(worker)]
    return found


def codes(pool: Pool, calls: int) -> list[str | None]:
    """What becomes of calls that are made one after the other."""
    found = []
    for _ in range(calls):
        ask(pool)
        found += [one.code for one in answers(pool, 1)]
    return found


def test_calls_one_after_the_other_share_a_connection() -> None:
    with StandInApp() as app, pool_of(app) as pool:
        assert codes(pool, 20) == [None] * 20
        assert (app.connections, len(app.heads), pool.use.opened) == (1, 20, 1)


def test_calls_at_a_time_have_a_connection_each_and_wait_when_all_are_taken() -> None:
    """The app answers when all four connections have a request, and again for the next four."""
    held = threading.Semaphore(0)

    def respond(number: int, _head: bytes) -> Act:
        held.acquire()
        return Act(answer())

    with StandInApp(respond) as app, pool_of(app) as pool:
        ids = ask(pool, 10)
        assert (pool.use.opened, pool.use.busy_max, pool.use.waiting_max) == (4, 4, 6)
        held.release(10)
        assert sorted(one.id or 0 for one in answers(pool, 10)) == ids
        assert app.connections == 4


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (Act(answer(b"{}", "503 Service Unavailable")), OVERLOADED),
        (Act(answer(b"{}", "404 Not Found")), "http_404"),
        (Act(b"", After.RESET), RESET),
        (Act(b"", After.CLOSE), CLOSED),
        (Act(answer(b"hello")[:-2], After.CLOSE), TRUNCATED),
        (Act(chunked(b"hello")[:-5], After.CLOSE), TRUNCATED),
        (Act(b"hello\r\n\r\n"), MALFORMED),
    ],
)
def test_a_bad_answer_is_one_call_s_error_and_the_next_call_is_good(act: Act, code: str) -> None:
    with StandInApp(lambda number, _head: act if number == 1 else Act(answer())) as app, pool_of(app) as pool:
        assert codes(pool, 4) == [None, code, None, None]


def test_a_connection_that_the_app_closes_after_an_answer_costs_no_call() -> None:
    """Said by a header, and unsaid but seen before the next call: a server may close what is idle."""
    closing = [Act(answer(b"", "200 OK", "connection: close"), After.CLOSE), Act(answer(), After.CLOSE), Act(answer())]
    with StandInApp(lambda number, _head: closing[number % 3]) as app, pool_of(app) as pool:
        for closed in (1, 2, 2, 3, 4, 4):
            assert codes(pool, 1) == [None]
            until_closed(app, closed)
            assert pool.wait(0.01) == ()
        assert pool.use.opened == 5


def until_closed(app: StandInApp, connections: int) -> None:
    ends = time.monotonic() + LIMIT_S
    while app.closed < connections:
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_an_answer_in_chunks_is_read() -> None:
    with StandInApp(lambda _number, _head: Act(chunked(b'{"fall', b'back": true}'))) as app, pool_of(app) as pool:
        ask(pool)
        assert answers(pool, 1) == [Answer(1, None, FALLBACK)]


def test_a_call_without_an_answer_ends_in_time_and_its_connection_is_replaced() -> None:
    """What waits for a connection ends so too: the first two calls have both, which answer nothing."""
    app = StandInApp(lambda number, _head: Act() if number < 2 else Act(answer()))
    with app, pool_of(app, connections=2, timeout_ms=1000) as pool:
        began = time.monotonic()
        ask(pool, 5)
        assert [one.code for one in answers(pool, 5)] == [TIMEOUT] * 5
        assert time.monotonic() - began >= 1.0
        assert codes(pool, 3) == [None] * 3
        assert pool.use.opened == 3


def test_the_answer_to_a_call_that_was_given_up_is_nobody_s() -> None:
    late = threading.Event()

    def respond(number: int, _head: bytes) -> Act:
        if number == 0:
            late.wait(LIMIT_S)
        return Act(answer(b"{}", "500 Internal Server Error") if number == 0 else answer())

    with StandInApp(respond) as app, pool_of(app, timeout_ms=500) as pool:
        ask(pool)
        assert [one.code for one in answers(pool, 1)] == [TIMEOUT]
        late.set()
        assert codes(pool, 2) == [None, None]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Pool(address_of(port), 4, ENDLESS_MS) as pool:
        ask(pool, 6)
        assert [one.code for one in answers(pool, 6)] == [REFUSED] * 6
        assert codes(pool, 1) == [REFUSED]


def test_another_failure_to_connect_has_a_code_too() -> None:
    assert code_of(OSError(113, "No route to host")) == FAILED


def test_a_large_request_is_sent_in_parts() -> None:
    """More than the sockets between take at once, to an app that reads nothing at first."""
    reads = threading.Event()

    def respond(number: int, _head: bytes) -> Act:
        if number == 0:
            reads.wait(LIMIT_S)
        return Act(answer())

    large = Prepared("GET", b"", b"GET / HTTP/1.1\r\nx: " + b"y" * (8 << 20) + b"\r\n\r\n")
    with StandInApp(respond) as app, pool_of(app) as pool:
        ask(pool)
        pool.send(0, large.payload(pool.new_id()))
        assert pool.wait(0.05) == ()
        reads.set()
        assert [one.code for one in answers(pool, 2)] == [None, None]
        assert max(map(len, app.heads)) > 8 << 20


def test_the_first_address_that_answers_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refusing = address_of(taken.getsockname()[1])
    with StandInApp() as app:
        addresses = [refusing, address_of(app.port)]
        assert first_that_answers(app.url, addresses, REQUEST.tail, 1000) == address_of(app.port)
        with pytest.raises(NoAppError, match=rf"got connection_refused at 127\.0\.0\.1:{refusing[1][1]}"):
            first_that_answers(app.url, [refusing], REQUEST.tail, 1000)


@pytest.mark.parametrize(
    ("act", "got"),
    [
        (Act(answer(b"no such page", "404 Not Found")), "404 Not Found, 'no such page'"),
        (Act(answer(b"", "302 Found")), "302 Found"),
        (Act(b"SSH-2.0-OpenSSH\r\n"), MALFORMED),
        (Act(b"", After.CLOSE), CLOSED),
        (Act(), TIMEOUT),
    ],
)
def test_what_came_instead_of_a_good_answer_is_told(act: Act, got: str) -> None:
    expected = pytest.raises(NoAppError, match=f"expected a good answer .* got {got}")
    with StandInApp(lambda _number, _head: act) as app, expected:
        first_that_answers(app.url, [address_of(app.port)], REQUEST.tail, 1000)
