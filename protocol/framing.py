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
_HEADER = struct.Struct(">I")


def frame(payload: bytes, max_frame_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Return the payload behind its length. Raises ProtocolError(`frame_too_large`) above `max_frame_bytes`."""
    length = len(payload)
    if length > max_frame_bytes:
        raise _too_large(length, max_frame_bytes)
    return _HEADER.pack(length) + payload


def _too_large(length: int, limit: int) -> ProtocolError:
    return ProtocolError(
        "frame_too_large",
        f"frame: expected at most {limit} bytes of payload, got a length of {length}",
        {"field": "frame", "limit": limit, "got": length},
    )


class FrameReader:
    """Collects bytes and yields the payloads of complete frames, in order. Feed it between iterations, not within."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer: bytes | bytearray = b""
        self._limit = max_frame_bytes

    def feed(self, data: bytes) -> None:
        """Append what was read. Nothing is parsed until `frames` is iterated."""
        if not self._buffer:
            self._buffer = data  # most reads bring whole frames, which are then copied once only
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer) + data

    def frames(self) -> Iterator[bytes]:
        """Yield each complete payload. Raises ProtocolError(`frame_too_large`), after which the stream is lost."""
        buffer = self._buffer
        start, size = 0, len(buffer)
        try:
            while size - start >= HEADER_BYTES:
                body = start + HEADER_BYTES
                (length,) = _HEADER.unpack_from(buffer, start)
                if length > self._limit:
                    raise _too_large(length, self._limit)
                if size - body < length:
                    return
                start = body + length
                if length < _LARGE:
                    yield bytes(buffer[body:start])
                else:
                    payload = _copied_once(buffer, body, start)
                    # What is decoded from it should not lie in memory beside its frame.
                    buffer = self._buffer = buffer[start:]
                    start, size = 0, len(buffer)
                    yield payload
        finally:
            if start:  # else it would be copied again at each read of a long frame
                self._buffer = buffer[start:]

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete yet; at EOF anything but 0 is a truncated stream."""
        return len(self._buffer)


def _copied_once(buffer: bytes | bytearray, start: int, end: int) -> bytes:
    with memoryview(buffer) as whole, whole[start:end] as part:
        return bytes(part)
