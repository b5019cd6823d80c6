"""A recording fed to a worker again: what the host said then is said now, and what comes back is compared.

Frames are fed in their order. One waits while the worker has as many calls as it admits, and while a call of the same
id is in flight that had ended when this one was recorded: a fast feed must not make ids collide that never did.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from port_worker.host.channel import Channel
from port_worker.inspection.comparison import Comparison, Summary
from port_worker.inspection.frames import Frame, Frames
from port_worker.recording import Record
from protocol.codec import Codec
from protocol.errors import ProtocolError
from protocol.messages import Call, Hello, parse_inbound, parse_outbound, plain

Show: TypeAlias = Callable[[Frame], None]

_SLICE_S = 0.25
"""The longest single wait: a worker that died while a grandchild holds its pipe open shows no end of file."""

_BULK = ("recommend_many", "feedback")
"""Ops whose calls may be bulk calls, of which a worker lets few wait."""

_MOST_UNSENT = 1024 * 1024
_GRACE_S = 5.0
_ENDS_OF_CALLS = {"ok", "error"}


class NoWorker(Exception):  # noqa: N818 (the name says what is so, not what went wrong)
    """There is no worker to feed, or none any more."""


class _SilenceError(Exception):
    """The worker lives and says nothing."""


class Replay:
    """One worker and what is said to it and by it.

    Args:
        argv: the command that starts the worker.
        codec: what both sides encode their payloads in.
        show: gets every frame of either direction as it happens, with the time since the start.
        timeout: seconds that the worker may be silent while something is expected of it.
        hello_timeout: seconds until its hello.
        clock: monotonic seconds.

    Raises NoWorker when `argv` cannot be started. A context manager: the worker ends with it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        codec: Codec,
        show: Show,
        *,
        timeout: float,
        hello_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._codec = codec
        self._show = show
        self._timeout = timeout
        self._hello_timeout = hello_timeout
        self._grace = min(_GRACE_S, timeout)
        self._clock = clock
        self._frames = Frames(codec.name)
        self._comparison = Comparison(codec)
        self._most_in_flight = self._most_beside_bulk = 0
        self._process = _start(argv)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno())
        self._began = clock()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end()

    def run(self, recorded: Iterable[Frame], *, timing: bool = False) -> Summary:
        """Feed what the host said, wait for the answers, end the worker's input, and say what came of it.

        `timing` keeps the distances in time between the recorded frames, from the first that is fed. Raises NoWorker
        when the worker says no hello.
        """
        self._await_hello()
        frames = iter(recorded)
        how_it_ended, silent_s = None, None
        try:
            self._feed_all(frames, timing=timing)
            self._wait_until(lambda: not self._comparison.in_flight)
            self._end_input()
            how_it_ended = self._end()
        except NoWorker as gone:
            how_it_ended = str(gone)
        except _SilenceError:
            silent_s = self._timeout
        for frame in frames:
            self._comparison.offered(frame.direction)
        return self._comparison.summary(how_it_ended, silent_s)

    def _await_hello(self) -> None:
        heard: list[bytes] = []
        until = self._clock() + self._hello_timeout
        while not heard:
            left = until - self._clock()
            if left <= 0:
                raise NoWorker(f"the worker said nothing within {self._hello_timeout:g} s")
            heard = self._hear(min(left, _SLICE_S))
        self._most_in_flight, self._most_beside_bulk = _admitted(heard[0], self._codec)

    def _feed_all(self, recorded: Iterable[Frame], *, timing: bool) -> None:
        first_us: int | None = None
        began = self._clock()
        for frame in recorded:
            self._comparison.offered(frame.direction)
            if frame.direction == "out":
                self._expect(frame)
            elif frame.direction == "in":
                if timing and frame.time_us is not None:
                    first_us = frame.time_us if first_us is None else first_us
                    self._listen_until(began + (frame.time_us - first_us) / 1_000_000)
                self._feed(frame)

    def _expect(self, frame: Frame) -> None:
        if frame.tag in _ENDS_OF_CALLS:
            self._comparison.recorded(frame.id, frame.payload)

    def _feed(self, frame: Frame) -> None:
        call_id, op = _call(frame.payload, self._codec)
        most = self._most_beside_bulk if op in _BULK else self._most_in_flight
        self._hear(0.0)
        self._wait_until(lambda: self._channel.unsent_bytes < _MOST_UNSENT)
        if call_id is not None:
            self._wait_until(lambda: self._comparison.in_flight < most)
            self._wait_until(lambda: self._comparison.is_due(call_id))
        self._show(replace(frame, time_us=self._now_us()))
        self._comparison.fed(call_id)
        self._channel.send(frame.payload)

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        """Listen until it holds. Raises _SilenceError when nothing is heard for too long before."""
        silent_from = self._clock()
        while not holds():
            left = silent_from + self._timeout - self._clock()
            if left <= 0:
                raise _SilenceError
            if self._hear(min(left, _SLICE_S)):
                silent_from = self._clock()

    def _listen_until(self, moment: float) -> None:
        while (left := moment - self._clock()) > 0:
            self._hear(min(left, _SLICE_S))

    def _hear(self, timeout: float) -> list[bytes]:
        """Take what comes within `timeout` seconds. Raises NoWorker when nothing will come any more."""
        had_ended = self._process.poll() is not None
        try:
            payloads = self._channel.receive(timeout)
        except ProtocolError as error:
            raise NoWorker(f"what the worker writes is no frame ({error.message})") from None
        for payload in payloads:
            self._take(payload)
        if not payloads and (self._channel.at_end or (had_ended and self._channel.idle)):
            raise NoWorker(self._how_it_ended())
        return payloads

    def _take(self, payload: bytes) -> None:
        frame = self._frames.frame(Record(payload, "out", self._now_us()))
        if frame.tag in _ENDS_OF_CALLS:
            self._comparison.answered(frame.id, payload, str(frame.tag))
        self._show(frame)

    def _end_input(self) -> None:
        """Close the worker's stdin and listen to what it still says."""
        self._wait_until(lambda: not self._channel.unsent_bytes)
        assert self._process.stdin is not None
        self._process.stdin.close()
        until = self._clock() + self._timeout
        with suppress(NoWorker):
            while (left := until - self._clock()) > 0:
                self._hear(min(left, _SLICE_S))

    def _end(self) -> str | None:
        """End the worker, by force if it takes long. Returns how it ended; None after a success."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        self._channel.close()
        process.stdin.close()
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            return f"the worker was killed: it did not end within {self._grace:g} s of its input's end"
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        return None if process.returncode == 0 else self._how_it_ended()

    def _how_it_ended(self) -> str:
        try:
            return f"the worker ended with status {self._process.wait(self._grace)}"
        except subprocess.TimeoutExpired:
            return "the worker closed its stdout"

    def _now_us(self) -> int:
        return round((self._clock() - self._began) * 1_000_000)


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    # It must not record over what it is fed.
    environment = {name: value for name, value in os.environ.items() if name != "PORT_WORKER_RECORD"}
    try:
        # A session of its own: Ctrl-C is this program's to handle. Its stderr is for people, as ever.
        return subprocess.Popen(
            list(argv),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise NoWorker(f"cannot start {argv[0]}: {(error.strerror or str(error)).lower()}") from error


def _call(payload: bytes, codec: Codec) -> tuple[int | None, str]:
    """The id with which a worker answers a frame, and the op; None for what is no call, or whose id it cannot read."""
    try:
        message = parse_inbound(payload, codec)
    except ProtocolError as error:
        return error.call_id, ""
    return (message.id, message.op) if isinstance(message, Call) else (None, "")


def _admitted(payload: bytes, codec: Codec) -> tuple[int, int]:
    """How many calls the worker that says this hello admits at a time, and how many with a bulk call among them.

    Raises NoWorker when it is none.
    """
    try:
        hello = parse_outbound(payload, codec)
        if isinstance(hello, Hello):
            limits = plain(hello.facts)["limits"]
            most = max(1, int(limits["max_in_flight"]))
            return most, max(1, min(most, int(limits.get("max_bulk", most))))
    except (ProtocolError, LookupError, TypeError, ValueError):
        pass
    raise NoWorker("what the worker says first is no hello of this protocol")
