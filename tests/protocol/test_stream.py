"""A stream of frames says the same however its bytes come: whole, byte by byte, or cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.codec import CODECS, Codec, codec
from protocol.errors import ProtocolError
from protocol.framing import FrameReader
from protocol.messages import parse_inbound
from tests.protocol import vectors
from tests.protocol.terms import TERMS, typed

MAX_FRAME = 300


def framed(payload: bytes) -> bytes:
    """A frame, whether or not it may be as long as that."""
    return len(payload).to_bytes(4, "big") + payload


def damaged(payload: bytes, at: int, byte: int) -> bytes:
    raw = bytearray(payload)
    raw[at % len(raw)] = byte
    return bytes(raw)


PAYLOADS = st.one_of(
    st.binary(max_size=40),
    TERMS.map(lambda term: codec("etf").encode(term, any_atom=True)),
    st.builds(
        damaged,
        TERMS.map(lambda term: codec("etf").encode(term, any_atom=True)),
        st.integers(0, 1_000),
        st.integers(0, 255),
    ),
    st.sampled_from([vector.data[4:] for vector in vectors.MESSAGES]),
    st.sampled_from([refused.data for refused in vectors.REFUSED]),
)
STREAMS = st.builds(
    lambda payloads, rest: b"".join(map(framed, payloads)) + rest, st.lists(PAYLOADS, max_size=6), st.binary(max_size=9)
)


def outcome(payload: bytes, codec: Codec) -> Any:
    """What a frame is: the term, and the message if it is one, or the one error."""
    try:
        term: Any = typed(codec.decode(payload))
        message = repr(parse_inbound(payload, codec))
    except ProtocolError as error:
        return error.code, error.message, error.details, error.call_id
    return term, message


def outcomes(pieces: Iterable[bytes], codec: Codec) -> list[Any]:
    """What each frame is, until one is too large; then the number of bytes that a frame lacks its end for."""
    reader, came = FrameReader(MAX_FRAME), list[Any]()
    for piece in pieces:
        reader.feed(piece)
        try:
            for payload in reader.frames():
                came.append(outcome(payload, codec))
        except ProtocolError as error:
            return [*came, (error.code, error.message)]
    return [*came, reader.pending_bytes]


def frames_one_by_one(stream: bytes, codec: Codec) -> list[Any]:
    """The same without a reader: what it has to say."""
    came: list[Any] = []
    while len(stream) >= 4:
        length = int.from_bytes(stream[:4], "big")
        if length > MAX_FRAME:
            message = f"frame: expected at most {MAX_FRAME} bytes of payload, got a length of {length}"
            return [*came, ("frame_too_large", message)]
        if len(stream) - 4 < length:
            break
        came.append(outcome(stream[4 : 4 + length], codec))
        stream = stream[4 + length :]
    return [*came, len(stream)]


@pytest.mark.parametrize("name", CODECS)
@given(stream=STREAMS, cuts=st.lists(st.integers(1, 50), min_size=1, max_size=8))
@settings(max_examples=150)
@example(b"", [1])
@example(b"\0\0\0\0", [1])
@example(b"\0\0\0\0" * 3 + b"\0\0\1\x2d", [3])
@example(b"\xff\xff\xff\xff\x83", [5])
def test_any_stream_says_the_same_however_it_comes(name: str, stream: bytes, cuts: list[int]) -> None:
    with_codec = codec(name)
    expected = frames_one_by_one(stream, with_codec)
    assert outcomes([stream], with_codec) == expected
    assert outcomes((stream[at : at + 1] for at in range(len(stream))), with_codec) == expected
    assert outcomes(pieces(stream, cuts), with_codec) == expected


def pieces(stream: bytes, sizes: list[int]) -> Iterable[bytes]:
    start = turn = 0
    while start < len(stream):
        size = sizes[turn % len(sizes)]
        yield stream[start : start + size]
        start, turn = start + size, turn + 1


def test_every_vector_says_the_same_however_it_comes() -> None:
    stream = b"".join(vector.data for vector in vectors.MESSAGES if len(vector.data) <= MAX_FRAME)
    stream += b"".join(framed(refused.data) for refused in vectors.REFUSED if len(refused.data) <= MAX_FRAME)
    expected = frames_one_by_one(stream, codec("etf"))
    assert len(expected) > 150
    for size in (1, 2, 3, 5, 64, 1_000, len(stream)):
        assert outcomes(pieces(stream, [size]), codec("etf")) == expected
