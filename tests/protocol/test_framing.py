"""Frames come out whole however the bytes came in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import HEADER_BYTES, FrameReader, frame
from protocol.limits import MAX_FRAME_BYTES

PAYLOADS = [b"", b"a", b"bc" * 40_000, b"\0" * 5]


def read(reader: FrameReader, data: bytes) -> list[bytes]:
    reader.feed(data)
    return list(reader.frames())


def test_one_write_may_hold_several_frames() -> None:
    assert read(FrameReader(), b"".join(map(frame, PAYLOADS))) == PAYLOADS


def test_frames_come_byte_by_byte() -> None:
    reader = FrameReader()
    payloads = [b"", b"abc", b"\xff\0"]
    came = [read(reader, bytes((byte,))) for byte in b"".join(map(frame, payloads))]
    assert [payload for several in came for payload in several] == payloads
    assert len(came[3]) == 1, "an empty frame is complete with its fourth byte"
    assert reader.pending_bytes == 0


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 30), min_size=1))
def test_any_split_gives_the_same_frames(payloads: list[bytes], sizes: list[int]) -> None:
    reader, stream, came = FrameReader(), b"".join(map(frame, payloads)), []
    turn = 0
    while stream:
        size = sizes[turn % len(sizes)]
        came += read(reader, stream[:size])
        stream, turn = stream[size:], turn + 1
    assert came == payloads


def test_the_longest_frame_passes_and_one_byte_more_does_not() -> None:
    assert read(FrameReader(max_frame_bytes=8), frame(b"12345678")) == [b"12345678"]
    with pytest.raises(ProtocolError, match="at most 8 bytes of payload, got a length of 9") as refused:
        read(FrameReader(max_frame_bytes=8), frame(b"123456789"))
    assert refused.value.code == "frame_too_large"
    assert refused.value.details == {"field": "frame", "limit": 8, "got": 9}


def test_an_oversize_length_is_refused_at_its_fourth_byte() -> None:
    reader = FrameReader()
    assert read(reader, b"\xff\xff\xff") == []
    with pytest.raises(ProtocolError, match="4294967295"):
        read(reader, b"\xff")
    assert reader.pending_bytes == HEADER_BYTES


def test_frames_before_an_oversize_one_are_still_given() -> None:
    reader = FrameReader(max_frame_bytes=8)
    reader.feed(frame(b"ok") + frame(b"123456789"))
    frames = reader.frames()
    assert next(frames) == b"ok"
    with pytest.raises(ProtocolError):
        next(frames)


def test_a_truncated_stream_is_seen_in_what_is_pending() -> None:
    reader = FrameReader()
    assert read(reader, frame(b"abc")[:-1]) == []
    assert reader.pending_bytes == HEADER_BYTES + 2


def test_no_frame_is_made_that_the_peer_must_refuse() -> None:
    assert len(frame(bytes(MAX_FRAME_BYTES))) == HEADER_BYTES + MAX_FRAME_BYTES
    with pytest.raises(ProtocolError) as refused:
        frame(bytes(MAX_FRAME_BYTES + 1))
    assert refused.value.code == "frame_too_large"
