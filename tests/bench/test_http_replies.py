"""Answers from bytes, whole and one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.bench.http.outcomes import (
    DEADLINE,
    FALLBACK,
    OVERLOADED,
    PRIMARY,
    Outcome,
    OutcomeReader,
    framed,
    outcome_of,
)
from port_worker.bench.http.replies import (
    CLOSED,
    MALFORMED,
    MOST_BYTES,
    TOO_LARGE,
    TRUNCATED,
    NoReplyError,
    Replies,
    Reply,
)
from port_worker.bench.wire import Answer
from tests.peers.stand_in_app import answer, chunked

UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello"
ANSWERS = {
    answer(b"hello"): Reply(200, b"hello", keeps=True),
    answer(b"", "503 Service Unavailable"): Reply(503, b"", keeps=True),
    answer(b"bye", "200 OK", "connection: close"): Reply(200, b"bye", keeps=False),
    chunked(b"hel", b"lo" * 500): Reply(200, b"hel" + b"lo" * 500, keeps=True),
    b"HTTP/1.1 204 No Content\r\n\r\n": Reply(204, b"", keeps=True),
    b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok": Reply(200, b"ok", keeps=False),
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer(b"late"): Reply(200, b"late", keeps=True),
}


def asked() -> Replies:
    replies = Replies()
    replies.expect()
    return replies


def refusal(replies: Replies, data: bytes) -> str:
    with pytest.raises(NoReplyError) as refused:
        replies.feed(data)
    return refused.value.code


@pytest.mark.parametrize(("data", "expected"), ANSWERS.items())
def test_an_answer_is_read_whole_and_byte_by_byte(data: bytes, expected: Reply) -> None:
    assert asked().feed(data) == expected
    replies = asked()
    for place in range(len(data) - 1):
        assert replies.feed(data[place : place + 1]) is None, data[: place + 1]
    assert replies.feed(data[-1:]) == expected


def test_one_answer_after_the_other_on_one_connection() -> None:
    replies = Replies()
    for body in (b"one", b"", b"three"):
        replies.expect()
        assert replies.feed(answer(body)) == Reply(200, body, keeps=True)


def test_an_answer_without_a_length_lasts_until_the_close() -> None:
    replies = asked()
    assert replies.feed(UNTIL_CLOSE) is None
    assert replies.end() == Reply(200, b"hello", keeps=False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", CLOSED),
        (b"HTTP/1.1 200", TRUNCATED),
        (answer(b"hello")[:-1], TRUNCATED),
        (chunked(b"hello")[:-5], TRUNCATED),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", TRUNCATED),
    ],
)
def test_a_close_before_the_end_is_no_answer(data: bytes, code: str) -> None:
    replies = asked()
    if data:
        assert replies.feed(data) is None
    with pytest.raises(NoReplyError) as refused:
        replies.end()
    assert refused.value.code == code


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    assert refusal(asked(), data) == MALFORMED


def test_what_nobody_asked_for_is_refused() -> None:
    assert refusal(Replies(), answer()) == MALFORMED
    replies = asked()
    replies.feed(answer())
    assert refusal(replies, answer()) == MALFORMED


def test_a_second_answer_to_one_request_ends_the_connection() -> None:
    assert asked().feed(answer(b"mine") + answer(b"whose")) == Reply(200, b"mine", keeps=False)


def test_an_answer_without_end_is_refused() -> None:
    replies = asked()
    assert replies.feed(b"HTTP/1.1 200 OK\r\n\r\n") is None
    for _ in range(MOST_BYTES // 65536 - 1):
        assert replies.feed(b"x" * 65536) is None
    assert refusal(replies, b"x" * 65536) == TOO_LARGE


def test_headers_without_end_are_refused() -> None:
    replies = asked()
    assert replies.feed(b"HTTP/1.1 200 OK\r\n") is None
    line = b"x: " + b"y" * 65536 + b"\r\n"
    for _ in range(MOST_BYTES // len(line)):
        assert replies.feed(line) is None
    assert refusal(replies, line) == TOO_LARGE


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_an_answer_or_refused(noise: bytes, kept: int) -> None:
    """Of an answer's beginning with anything behind it: no other error comes out."""
    assert isinstance(result_of(answer(b"hello")[:kept] + noise), Reply | str | None)


def result_of(data: bytes) -> Reply | str | None:
    """The answer, or the code of the refusal."""
    try:
        return asked().feed(data)
    except NoReplyError as refused:
        return refused.code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *(
            (429, OVERLOADED),
            (503, OVERLOADED),
            (504, DEADLINE),
            (404, "http_404"),
            (500, "http_500"),
            (302, "http_302"),
        ),
        *((200, None), (204, None)),
    ],
)
def test_an_answer_is_classed_by_its_status(status: int, code: str | None) -> None:
    assert outcome_of(Reply(status, b'{"fallback": true}', keeps=True)).code == code


@pytest.mark.parametrize(
    ("body", "source"),
    [
        (b'{"fallback": true, "items": []}', FALLBACK),
        (b'{"fallback": false}', PRIMARY),
        (b'{"items": [{"fallback": true}]}', None),
        (b'{"fallback": "yes"}', None),
        (b'["fallback", true]', None),
        (b'{"fallback": tr', None),
        (b'\xff"fallback"', None),
        (b"[" * 100_000 + b'"fallback"', None),
        (b"", None),
    ],
)
def test_a_fallback_is_told_by_a_flag_at_the_top_alone(body: bytes, source: str | None) -> None:
    assert outcome_of(Reply(200, body, keeps=True)) == Outcome(None, source)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(None), Answer(7, None, None)),
        (Outcome(None, FALLBACK), Answer(7, None, FALLBACK)),
        (Outcome(OVERLOADED), Answer(7, OVERLOADED, None)),
    ],
)
def test_the_load_reads_what_became_of_a_call(outcome: Outcome, expected: Answer) -> None:
    assert OutcomeReader().read(framed(7, outcome)) == expected
