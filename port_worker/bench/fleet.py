"""Several workers behind one wait, each at a place, where it may be started again."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress

from port_worker.host import WorkerGone, WorkerHost

_FIRST_ID = 1 << 20  # what a `WorkerHost` calls besides has lower ones
_LAST_ID = (1 << 31) - 1


class Link(WorkerHost):
    """A `WorkerHost` whose frames go and come as bytes."""

    def __enter__(self) -> Link:
        return self

    @property
    def descriptors(self) -> tuple[int, int]:
        """What it writes to, for reading, and what it reads from, for writing."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        return self._process.stdout.fileno(), self._process.stdin.fileno()

    def send_frames(self, *payloads: bytes) -> None:
        """Send some, or what is unsent; never blocks."""
        self._channel.send(*payloads)

    def receive_frames(self) -> list[bytes]:
        """The payloads that are there. Raises WorkerGone."""
        return self._receive(0.0)

    def await_hello(self, timeout: float) -> None:
        """Wait for the hello of a worker that was spawned. Raises WorkerGone."""
        self.hello = self._expect_hello(timeout)

    def kill(self) -> None:
        """SIGKILL; what it had written before can still be read."""
        self._process.kill()


class Fleet:
    """Workers that were started, as `load.Workers` wants them.

    Args:
        links: ready ones.
        respawn: spawns another one in place of a worker that has ended; None leaves the place empty.
    """

    def __init__(self, links: Sequence[Link], respawn: Callable[[], Link] | None = None) -> None:
        self._links: list[Link | None] = list(links)
        self._respawn = respawn
        self._starting: set[int] = set()
        self._ready = list(range(len(links)))
        self._last_id = _FIRST_ID
        self.paused: set[int] = set()
        """Places that are not read from."""
        self.ended: list[int] = []
        """Exit statuses, as subprocess has them, of workers that have ended."""

    def __len__(self) -> int:
        return len(self._links)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        for link in self._links:
            if link is not None:
                link.close()

    def link(self, worker: int) -> Link | None:
        """The worker at that place."""
        return self._links[worker]

    def pids(self) -> list[int | None]:
        """Process ids by place; None where there is no worker."""
        return [None if link is None else link.pid for link in self._links]

    def ready(self) -> Sequence[int]:
        """As `Workers`."""
        return self._ready

    def comes_back(self) -> bool:
        """As `Workers`."""
        return bool(self._starting)

    def new_id(self) -> int:
        """As `Workers`."""
        self._last_id = self._last_id + 1 if self._last_id < _LAST_ID else _FIRST_ID
        return self._last_id

    def unsent_bytes(self, worker: int) -> int:
        """As `Workers`."""
        link = self._links[worker]
        return 0 if link is None else link.unsent_bytes

    def send(self, worker: int, *payloads: bytes) -> None:
        """As `Workers`."""
        link = self._links[worker]
        if link is not None:
            link.send_frames(*payloads)

    def wait(self, timeout: float) -> Sequence[int]:
        """As `Workers`."""
        reading: dict[int, int] = {}
        writing: dict[int, int] = {}
        for worker, link in enumerate(self._links):
            if link is None:
                continue
            incoming, outgoing = link.descriptors
            if worker not in self.paused:
                reading[incoming] = worker
            if link.unsent_bytes:
                writing[outgoing] = worker
        # select(2) and not epoll: its timeout counts microseconds where epoll's counts milliseconds.
        readable, writable, _ = select.select(list(reading), list(writing), (), timeout)
        for fd in writable:
            self.send(writing[fd])
        return [reading[fd] for fd in readable]

    def receive(self, worker: int) -> Sequence[bytes]:
        """As `Workers`. A hello is no answer, and makes a worker that was started again ready."""
        link = self._links[worker]
        if link is None:
            return []
        try:
            payloads = link.receive_frames()
            if payloads and worker in self._starting:
                link.take_hello(payloads.pop(0))
                self._starting.discard(worker)
                self._ready = sorted([*self._ready, worker])
        except WorkerGone:
            self._replace(worker, link)
            raise
        return payloads

    def kill(self, worker: int) -> bool:
        """SIGKILL the worker at that place; returns whether there was one that was ready."""
        link = self._links[worker]
        if link is None or worker not in self._ready:
            return False
        with suppress(ProcessLookupError):
            link.kill()
        return True

    def _replace(self, worker: int, link: Link) -> None:
        self.ended.append(link.close(grace=0.0))
        self._ready = [one for one in self._ready if one != worker]
        had_begun = worker not in self._starting
        self._starting.discard(worker)
        self._links[worker] = None
        if self._respawn is not None and had_begun:  # one that does not even start would not do so the next time
            self._links[worker] = self._respawn()
            self._starting.add(worker)
