"""The event loop: one thread that reads what is there, does one piece of work, and writes once.

It waits on the pipes of the host, the trainer and the mirror, and on signals; it knows the service only, and leaves
every decision to it.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from port_worker.config import Settings
from port_worker.service import Service
from port_worker.stdio import READ_BYTES, HostGoneError, Outgoing, Pipes
from protocol.codec import codec
from protocol.errors import ProtocolError
from protocol.framing import FrameReader, frame
from protocol.messages import ErrorReply, Message, Ok, to_payload

if TYPE_CHECKING:
    from port_worker.recording import Recorder

EXIT_OK = 0
EXIT_DATA = 65
"""EX_DATAERR of sysexits.h: the stream of frames cannot be followed any further."""

_SHORTENED = 1_000
"""Characters of an error's message that pass every limit of a frame."""

_MOST_UNREAD = 8 * 1024 * 1024
"""Bytes of replies that wait for the host before no more of its calls are read, or worked for."""


class Loop:
    """Runs one service on a pair of pipes until the host closes its end."""

    def __init__(
        self,
        settings: Settings,
        pipes: Pipes,
        recorder: Recorder | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._codec = codec(settings.codec)
        self._max_frame_bytes = settings.limits.max_frame_bytes
        self._recorder = recorder
        self._incoming = pipes.incoming
        self._outgoing = Outgoing(pipes.outgoing, settings.write_stall_seconds, clock)
        self._outgoing_fd = pipes.outgoing
        self._frames = FrameReader(self._max_frame_bytes)
        self._service = Service(settings, self._send, clock)
        self._wanted: dict[int, int] = {}
        self._watched: tuple[bool, bool, bool, int | None, int | None] | None = None
        self._ending = False
        self._input_ended = False
        self._status = EXIT_OK

    def run(self) -> int:
        """Serve until EOF, SIGTERM or a broken stream. Returns the exit status."""
        with _selector() as selector, _signals(self._on_signal) as wakeup:
            try:
                self._service.open()
                more = self._work()
                while not (self._ending and self._service.finished and not self._outgoing):
                    self._wait(selector, wakeup, 0 if more else self._timeout())
                    more = self._work()
            except HostGoneError as gone:
                if not self._input_ended:
                    sys.stderr.write(f"port_worker: {gone}\n")
            finally:
                self._service.close()
        return self._status

    def _work(self) -> bool:
        """One piece of work and one write. Returns whether more can be done at once."""
        more = not self._is_congested and self._service.step()
        self._outgoing.flush()
        if self._recorder is not None:
            self._recorder.flush()
        return more

    def _wait(self, selector: selectors.BaseSelector, wakeup: int, timeout: float | None) -> None:
        self._watch(selector, wakeup)
        for key, _events in selector.select(timeout):
            self._ready(key.fd, wakeup)

    def _ready(self, fd: int, wakeup: int) -> None:
        if fd == self._incoming:
            self._read()
        elif fd == wakeup:
            os.read(fd, READ_BYTES)
            if self._ending:
                self._service.terminate()
        elif fd == self._service.trainer_fd:
            self._service.trainer_readable()

    def _read(self) -> None:
        data = os.read(self._incoming, READ_BYTES)
        if not data:
            self._end_of_input()
            return
        self._frames.feed(data)
        try:
            for payload in self._frames.frames():
                if self._recorder is not None:
                    self._recorder.incoming(payload)
                self._service.receive(payload)
        except ProtocolError as error:
            sys.stderr.write(f"port_worker: {error}\n")
            self._send(ErrorReply.of(None, error))
            self._end_of_input(EXIT_DATA)

    def _end_of_input(self, status: int = EXIT_OK) -> None:
        """Nothing more can be read: answer what was, then end."""
        if status == EXIT_OK and self._frames.pending_bytes:
            sys.stderr.write(f"port_worker: input ended after {self._frames.pending_bytes} bytes of a frame\n")
            status = EXIT_DATA
        self._status = status
        self._ending = self._input_ended = True
        self._service.hang_up()

    def _send(self, message: Message) -> None:
        payload = to_payload(message, self._codec)
        if len(payload) > self._max_frame_bytes:
            payload = to_payload(_fitting(message, len(payload), self._max_frame_bytes), self._codec)
        self._outgoing.send(frame(payload, self._max_frame_bytes))
        if self._recorder is not None:
            self._recorder.outgoing(payload)

    @property
    def _is_congested(self) -> bool:
        return len(self._outgoing) >= _MOST_UNREAD

    def _on_signal(self) -> None:
        self._ending = True

    def _timeout(self) -> float | None:
        stalls_at = self._outgoing.stalls_at
        wakes_at = stalls_at if self._is_congested else min(self._service.wakes_at, stalls_at)
        return None if wakes_at == float("inf") else max(0.0, wakes_at - self._clock())

    def _watch(self, selector: selectors.BaseSelector, wakeup: int) -> None:
        """Register exactly what matters now: the host's pipe unless it reads too little, the trainer while it runs,
        and what a swap waits on, which its next step reads."""
        swap_fd, trainer_fd = self._service.swap_fd, self._service.trainer_fd
        state = (self._input_ended, self._is_congested, bool(self._outgoing), trainer_fd, swap_fd)
        if state == self._watched:
            return
        self._watched = state
        wanted = {wakeup: selectors.EVENT_READ}
        if not self._input_ended and not self._is_congested:
            wanted[self._incoming] = selectors.EVENT_READ
        if self._outgoing:
            wanted[self._outgoing_fd] = selectors.EVENT_WRITE
        if trainer_fd is not None:
            wanted[trainer_fd] = selectors.EVENT_READ
        if swap_fd is not None and not self._is_congested:
            wanted[swap_fd] = selectors.EVENT_READ
        for fd in self._wanted:
            selector.unregister(fd)
        for fd, events in wanted.items():
            selector.register(fd, events)
        self._wanted = wanted


def _fitting(message: Message, length: int, most: int) -> Message:
    """What a host gets in place of a message that is above the limit of a frame."""
    if isinstance(message, ErrorReply):
        return replace(message, message=message.message[:_SHORTENED], details={})
    if not isinstance(message, Ok):
        return message
    expected = f"at most {most} bytes"
    details = {"field": "reply", "expected": expected, "got": f"{length} bytes"}
    text = f"reply: expected {expected}, got {length} bytes; ask for less"
    return ErrorReply.of(message.id, ProtocolError("reply_too_large", text, details))


def _selector() -> selectors.BaseSelector:
    # poll, unlike epoll and kqueue, also takes recorded frames from a file.
    return selectors.PollSelector() if hasattr(selectors, "PollSelector") else selectors.SelectSelector()


@contextmanager
def _signals(told_to_end: Callable[[], None]) -> Iterator[int]:
    """Turn SIGTERM into a readable descriptor; ignore SIGINT, which a terminal sends to host and worker alike."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGTERM, lambda _number, _frame: told_to_end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)
