"""Frames over two pipe ends, without ever blocking on a peer that does not read or write."""

from __future__ import annotations

import os
import selectors

from protocol.framing import FrameReader, frame

READ_BYTES = 64 * 1024


class Channel:
    """Sends and receives the payloads of frames.

    What the pipe does not take at once waits in a buffer of this object, whose size `unsent_bytes` tells: the bound on
    it is the caller's. Both descriptors become non-blocking; they stay the caller's to close.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._frames = FrameReader()
        self._unsent = bytearray()
        # select(2) and not epoll: its timeout counts microseconds where epoll's counts milliseconds, and two
        # descriptors need no more.
        self._selector = selectors.SelectSelector()
        self._selector.register(read_fd, selectors.EVENT_READ)
        self.at_end = False
        """The peer has closed its end: nothing more will come."""
        self.idle = False
        """The last `receive` ended without a byte."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the pipe has not taken yet."""
        return len(self._unsent)

    def send(self, *payloads: bytes) -> None:
        """Queue frames and write what the pipe takes. A peer that has gone is noticed by `receive`, not here."""
        self._unsent += b"".join(map(frame, payloads))
        self._flush()

    def receive(self, timeout: float) -> list[bytes]:
        """Wait up to `timeout` seconds for bytes, and return the payloads that are complete with them.

        Raises ProtocolError when the peer's bytes are no frames.
        """
        self.idle = True
        for key, _events in self._selector.select(timeout):
            if key.fd == self._write_fd:
                self._flush()
            else:
                self._read()
        return list(self._frames.frames())

    def close(self) -> None:
        """Forget the descriptors and what is unsent."""
        self._unsent.clear()
        self._selector.close()

    def _read(self) -> None:
        try:
            data = os.read(self._read_fd, READ_BYTES)
        except BlockingIOError:
            return
        self.idle = False
        if data:
            self._frames.feed(data)
        else:
            self._selector.unregister(self._read_fd)
            self.at_end = True

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._write_fd, self._unsent)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent.clear()  # nobody will read it; its answers, if any, can still be read
        self._watch_for_room()

    def _watch_for_room(self) -> None:
        watched = self._write_fd in self._selector.get_map()
        if self._unsent and not watched:
            self._selector.register(self._write_fd, selectors.EVENT_WRITE)
        elif watched and not self._unsent:
            self._selector.unregister(self._write_fd)
