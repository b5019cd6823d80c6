"""Bytes to frames and back: Erlang's `{packet, 4}`, a 32-bit big-endian length before every payload.

Sans-IO: `FrameReader.feed` takes whatever a read returned, `frames` gives what is complete. A length above the limit is
refused when its four bytes are known, before anything is allocated for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from protocol.errors import ProtocolError
from protocol.limits import MAX_FRAME_BYTES

HEADER_BYTES = 4
_LARGE = 1024 * 1024
_length_at = struct.Struct(">I").unpack_from


def frame(payload: bytes, max_frame_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Return the payload behind its length. Raises ProtocolError(`frame_too_large`) above `max_frame_bytes`."""
    check_length(len(payload), max_frame_bytes)
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def check_length(length: int, limit: int) -> None:
    """Raise ProtocolError(`frame_too_large`) when a payload of `length` bytes is above `limit`."""
    if length > limit:
        raise ProtocolError(
            "frame_too_large",
            f"frame: expected at most {limit} bytes of payload, got a length of {length}",
            {"field": "frame", "limit": limit, "got": length},
        )


class FrameReader:
    """Collects bytes and yields the payloads of complete frames, in order."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._limit = max_frame_bytes

    def feed(self, data: bytes) -> None:
        """Append what was read. Nothing is parsed until `frames` is iterated."""
        self._buffer += data

    def frames(self) -> Iterator[bytes]:
        """Yield each complete payload. Raises ProtocolError(`frame_too_large`), after which the stream is lost."""
        start = 0
        try:
            while len(self._buffer) - start >= HEADER_BYTES:
                body = start + HEADER_BYTES
                (length,) = _length_at(self._buffer, start)
                if length > self._limit:
                    check_length(length, self._limit)
                if len(self._buffer) - body < length:
                    return
                start = body + length
                if length < _LARGE:
                    yield bytes(self._buffer[body:start])
                else:
                    payload = _copied_once(self._buffer, body, start)
                    del self._buffer[:start]  # what is decoded from it should not lie in memory beside its frame
                    start = 0
                    yield payload
        finally:
            del self._buffer[:start]

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete yet; at EOF anything but 0 is a truncated stream."""
        return len(self._buffer)


def _copied_once(buffer: bytearray, start: int, end: int) -> bytes:
    with memoryview(buffer) as whole, whole[start:end] as part:
        return bytes(part)
