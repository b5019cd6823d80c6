"""The worker process under test: its pipes, read and written with a time limit on every wait."""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import subprocess
import tempfile
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Protocol

_READ_BYTES = 64 * 1024
_LONGEST = 16 * 1024 * 1024
"""What SPEC.md allows at most; a longer length is text that was taken for one."""
_KEPT_STDERR = 4096
_QUIET_S = 0.05
_PAUSE_S = 0.0005


class NotFramesError(Exception):
    """What came on stdout is no sequence of frames."""


class SilenceError(Exception):
    """The time limit of a wait has passed."""


class StartError(Exception):
    """The command cannot be started."""


class Child(Protocol):
    """A process that was started, as subprocess.Popen is one: the leader of a session of its own."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises subprocess.TimeoutExpired."""


class WorkerProcess:
    """A process in a session of its own, so that all of it can be ended, and nothing else.

    Args:
        process: with pipes as its stdin and stdout.
        stderr: the file that it has as its stderr; closed in the end.
        timeout: seconds that any one wait may take.
    """

    def __init__(self, process: Child, stderr: IO[bytes], timeout: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._timeout = timeout
        self._process = process
        self._stderr = stderr
        self._stdin, self._stdout = process.stdin, process.stdout
        self._in, self._out = self._stdin.fileno(), self._stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._heard = bytearray()
        self._at_end = False

    @classmethod
    def start(cls, command: Sequence[str], timeout: float) -> WorkerProcess:
        """Start a command. Raises StartError."""
        stderr = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the object
        try:
            process = subprocess.Popen(
                list(command),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            stderr.close()
            raise StartError(f"cannot start {command[0]}: {(error.strerror or str(error)).lower()}") from error
        return cls(process, stderr, timeout)

    def send(self, data: bytes) -> None:
        """Write everything, reading meanwhile. A worker that has closed its stdin is told nothing. Raises SilenceError
        when the worker takes none of it for the time limit."""
        until = self._limit()
        while data:
            written = self.push(data)
            if written:
                data, until = data[written:], self._limit()
            elif written is None:
                return
            else:
                self._wait(until, writing=True)

    def push(self, data: bytes) -> int | None:
        """Write what the pipe takes now, without reading: how many bytes; None when nobody will read them."""
        try:
            return os.write(self._in, data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ValueError):
            return None

    def settle(self) -> None:
        """Wait a moment for the worker to read what was written, so that the next write is one more read for it."""
        until = time.monotonic() + _QUIET_S
        while _waiting_bytes(self._in) and time.monotonic() < until:
            time.sleep(_PAUSE_S)

    def fill(self) -> None:
        """Wait, without reading, until the worker writes no more: its pipe is full, or all is said."""
        waiting, quiet_at, until = -1, time.monotonic() + _QUIET_S, self._limit()
        while time.monotonic() < min(quiet_at, until):
            now_waiting = _waiting_bytes(self._out)
            if now_waiting != waiting:
                waiting, quiet_at = now_waiting, time.monotonic() + _QUIET_S
            time.sleep(_PAUSE_S)

    def close_stdin(self) -> None:
        """EOF."""
        self._stdin.close()
        self._in = -1

    def terminate(self, pid: int) -> bool:
        """SIGTERM to the worker itself; False when `pid` is not of this process's session."""
        try:
            if os.getsid(pid) != self._process.pid:
                return False
            os.kill(pid, signal.SIGTERM)
        except OSError:
            return False
        return True

    def payload(self, timeout: float | None = None) -> bytes | None:
        """The next frame's payload; None at the end of stdout. Raises SilenceError and NotFramesError."""
        until = self._limit(timeout)
        while True:
            payload = self._whole_frame()
            if payload is not None:
                return payload
            if self._at_end:
                self._check_rest()
                return None
            self._wait(until)

    def status(self) -> int:
        """The exit status of a process that has closed its stdout; raises SilenceError when it goes on."""
        try:
            return self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            raise SilenceError("an exit") from None

    @property
    def stderr(self) -> str:
        """The end of what it has said to people."""
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), _KEPT_STDERR, max(0, size - _KEPT_STDERR)).decode(errors="replace")

    def end(self) -> None:
        """Kill it and what it has started."""
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdin.close()
        self._stdout.close()
        self._stderr.close()

    def _limit(self, timeout: float | None = None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)

    def _wait(self, until: float, *, writing: bool = False) -> None:
        reads = [] if self._at_end else [self._out]
        writes = [self._in] if writing else []
        readable, writable, _ = select.select(reads, writes, [], max(0.0, until - time.monotonic()))
        ready = readable or writable
        if readable:
            self._read()
        if not ready and time.monotonic() >= until:
            raise SilenceError("room in its stdin" if writing else "an answer")

    def _read(self) -> None:
        try:
            data = os.read(self._out, _READ_BYTES)
        except BlockingIOError:
            return
        self._heard += data
        self._at_end = not data

    def _whole_frame(self) -> bytes | None:
        if len(self._heard) < 4:
            return None
        length = int.from_bytes(self._heard[:4], "big")
        if length > _LONGEST:
            raise NotFramesError(f"frames, got the bytes {bytes(self._heard[:40])!r}")
        if len(self._heard) < 4 + length:
            return None
        payload = bytes(self._heard[4 : 4 + length])
        del self._heard[: 4 + length]
        return payload

    def _check_rest(self) -> None:
        if self._heard:
            rest = bytes(self._heard[:40])
            self._heard.clear()
            raise NotFramesError(f"whole frames up to the end, got the bytes {rest!r} at the end")


def _waiting_bytes(fd: int) -> int:
    """How many bytes wait in a pipe."""
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(fd, termios.FIONREAD, waiting)
    except OSError:
        return 0  # a system that cannot tell it of this end
    return waiting[0]
