"""What passed between a host and its worker, frame by frame: written while it happens, read afterwards.

A recording is a stream of frames like the wire itself, each one term in External Term Format, whatever was recorded.
First `{recording, 1, etf | msgpack, UnixMs}`, then `{in | out, Microseconds, Payload}` for each frame: `in` is host to
worker, and the microseconds count from the beginning. A worker that was killed leaves a last record that is cut short.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from protocol import etf
from protocol.atoms import Atom
from protocol.codec import CODECS
from protocol.errors import ProtocolError
from protocol.framing import HEADER_BYTES, FrameReader
from protocol.limits import MAX_FRAME_BYTES

Direction: TypeAlias = Literal["in", "out"]
"""`in` is host to worker, `out` is worker to host."""

VERSION = 1
PREVIOUS = ".previous"
"""What the name of the recording before this one ends with: a restart must not take away what a crash left."""

_RECORDING, _IN, _OUT = Atom("recording"), Atom("in"), Atom("out")
_MOST_BYTES = MAX_FRAME_BYTES + 64
"""Of one record: the largest payload, and what is around it."""

_MOST_BUFFERED = 1024 * 1024
_READ_BYTES = 64 * 1024


class Recorder:
    """Writes a recording. Once it is open it never raises: what cannot be written ends it, with a line on stderr.

    The file is private to its user, for it holds users' data. A recording that has this name already is renamed to end
    with `.previous`; one that has that name is replaced.

    Args:
        path: where to write.
        codec: the name of the codec whose payloads are recorded.
        clock: monotonic seconds.
        now: Unix time in seconds.

    Raises OSError when nothing can be written there, or when what is there is not a recording.
    """

    def __init__(
        self,
        path: Path,
        codec: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._clock = clock
        self._buffer = bytearray()
        _make_way(path)
        self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._began = clock()
        self._append((_RECORDING, VERSION, Atom(codec), round(now() * 1000)))
        try:
            self._write()
        except OSError:
            self._forget()
            raise

    def incoming(self, payload: bytes) -> None:
        """Record a frame that the host sent."""
        self._record(_IN, payload)

    def outgoing(self, payload: bytes) -> None:
        """Record a frame that the worker sends."""
        self._record(_OUT, payload)

    def flush(self) -> None:
        """Write what was recorded; once a turn of the loop is often enough."""
        if not self._buffer or self._fd is None:
            return
        try:
            self._write()
        except OSError as error:
            self._forget()
            with contextlib.suppress(OSError, ValueError):  # stderr may be gone too
                sys.stderr.write(f"port_worker: {self._path}: recording ends here: {error.strerror}\n")

    def close(self) -> None:
        """Write the rest and close the file."""
        self.flush()
        self._forget()

    def _record(self, direction: Atom, payload: bytes) -> None:
        if self._fd is None:
            return
        self._append((direction, round((self._clock() - self._began) * 1_000_000), payload))
        if len(self._buffer) >= _MOST_BUFFERED:
            self.flush()

    def _append(self, term: tuple[object, ...]) -> None:
        data = etf.encode(term, any_atom=True)
        # Not `frame`: the largest payload with its record around it is above the wire's own limit.
        self._buffer += len(data).to_bytes(HEADER_BYTES, "big") + data

    def _write(self) -> None:
        assert self._fd is not None
        while self._buffer:
            del self._buffer[: os.write(self._fd, self._buffer)]

    def _forget(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = None
        self._buffer.clear()


def _make_way(path: Path) -> None:
    """Rename the recording that is at `path`. Raises OSError where there is anything else, here or at the new name."""
    previous = path.with_name(path.name + PREVIOUS)
    if _is_recording(path):
        _is_recording(previous)
        path.replace(previous)
    else:
        path.unlink(missing_ok=True)


def _is_recording(path: Path) -> bool:
    """Whether there is a recording; False where there is nothing, or an empty file. Raises OSError for all else."""
    try:
        # A named pipe that nobody reads must not hold up the worker's start.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileExistsError(f"{path}: expected a file to record to, got something else")
        start = os.read(fd, _READ_BYTES)
    finally:
        os.close(fd)
    if start and not _starts_a_recording(start):
        raise FileExistsError(f"{path}: is not a recording, and is left as it is")
    return bool(start)


def _starts_a_recording(start: bytes) -> bool:
    frames = FrameReader(_MOST_BYTES)
    frames.feed(start)
    try:
        return _header(next(frames.frames(), b"")) is not None
    except RecordingError:
        return True  # of another version, or damaged: ours all the same
    except ProtocolError:
        return False


class RecordingError(Exception):
    """The bytes are no recording, and no frames, from some point on."""


@dataclass(frozen=True)
class Header:
    """How a recording begins. `began_ms` is Unix time in milliseconds."""

    codec: str
    began_ms: int


@dataclass(frozen=True)
class Record:
    """One frame. Direction and time, in microseconds since the beginning, are None in a stream that is no recording."""

    payload: bytes
    direction: Direction | None = None
    time_us: int | None = None


class Stream(Protocol):
    """Bytes to read: a file opened in binary mode, or io.BytesIO."""

    def read1(self, size: int, /) -> bytes:
        """What is there already, at most `size` bytes; b"" at the end."""


class Recording:
    """A recording, or a bare stream of frames as `tee` would have kept it; `read_recording` opens it.

    Iterating gives each record as soon as all of it has been read. Raises RecordingError, naming the byte, where frames
    or records end and something else begins; OSError as the stream does.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames = FrameReader(_MOST_BYTES)
        self._payloads = self._read()
        self._offset = 0
        self.header: Header | None = None
        """None where the stream is no recording."""
        self.missing_end = 0
        """Bytes of a last record that is not whole; known when the iteration has ended."""
        self._first = next(self._payloads, None)
        if self._first is not None:
            self.header = _header(self._first)

    def __iter__(self) -> Iterator[Record]:
        if self._first is None:
            return
        if self.header is None:
            yield Record(self._first)
            yield from map(Record, self._payloads)
        else:
            for payload in self._payloads:
                yield _record(payload, self._offset)

    def _read(self) -> Iterator[bytes]:
        after = 0
        while data := self._stream.read1(_READ_BYTES):
            self._frames.feed(data)
            try:
                for payload in self._frames.frames():
                    self._offset, after = after, after + HEADER_BYTES + len(payload)
                    yield payload
            except ProtocolError as error:
                raise RecordingError(f"byte {after}: {error.message}") from None
        self.missing_end = self._frames.pending_bytes


def read_recording(stream: Stream) -> Recording:
    """Read what is at the start of `stream`, and give the rest on iteration.

    Raises RecordingError when the stream starts with no frame, or is a recording of another version.
    """
    return Recording(stream)


def _header(payload: bytes) -> Header | None:
    """The header in a first payload; None when it is something else, such as a frame of the wire."""
    try:
        term = etf.decode(payload)
    except ProtocolError:
        return None
    if not isinstance(term, tuple) or len(term) < 2 or term[0] != _RECORDING:
        return None
    if term[1] != VERSION:
        raise RecordingError(f"expected a recording of version {VERSION}, got {term[1]}")
    match term:
        case (_, _, Atom() as codec, int(began_ms)) if codec in CODECS:
            return Header(str(codec), began_ms)
    raise RecordingError("byte 0: the recording's header is damaged")


def _record(payload: bytes, offset: int) -> Record:
    try:
        match etf.decode(payload):
            case (Atom("in"), int(time_us), bytes(recorded)):
                return Record(recorded, "in", time_us)
            case (Atom("out"), int(time_us), bytes(recorded)):
                return Record(recorded, "out", time_us)
    except ProtocolError as error:
        raise RecordingError(f"byte {offset}: {error.message}") from None
    raise RecordingError(f"byte {offset}: expected {{in | out, Microseconds, Payload}}, got another term")
