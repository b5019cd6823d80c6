"""Fault injection: a command that is run again and again beside the load, such as one that kills a node."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from port_worker.bench.http.outcomes import FALLBACK
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.stages import NEVER, NS
from port_worker.bench.wire import Answer

_LOOK_NS = 50_000_000
_SAID_BYTES = 200


@dataclass(frozen=True)
class Fault:
    """A command line, and after how many seconds it is run, and run again."""

    command: Sequence[str]
    every_s: float


@dataclass
class Injected:
    """One time that it was run, and what calls ended badly since then and before the next time.

    `at_ns` from the start of what is measured, `status` None for a command that did not end by itself. `disturbed_ns`:
    how long after it the last of those calls ended.
    """

    at_ns: int
    status: int | None = None
    errors: int = 0
    fallbacks: int = 0
    disturbed_ns: int = 0

    def facts(self) -> dict[str, Any]:
        """As the findings have it."""
        return {
            "at_s": self.at_ns / NS,
            "errors": self.errors,
            "fallbacks": self.fallbacks,
            "recovered_ms": self.disturbed_ns / 1e6,
            "exit_status": self.status,
        }


class FaultInjection(Incident):
    """Runs the command each so many seconds of what is measured, and never waits for it.

    A context manager, at whose end a command that still runs is killed.
    """

    patient = True
    listens = True

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._number = 0
        self._due_ns = 0
        self._from_ns = NEVER
        self._running: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (until the end of the run)
        self.injected: list[Injected] = []

    def __enter__(self) -> FaultInjection:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self._said.close()

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._due_ns

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`."""
        self._from_ns = run.timeline.measured_from_ns
        self._look(run, now_ns)
        if now_ns >= self._next_ns and not run.timeline.is_over:
            self._inject(run, now_ns)
        looks = self._from_ns == NEVER or self._running is not None
        self._due_ns = now_ns + _LOOK_NS if looks else NEVER if run.timeline.is_over else self._next_ns

    def answered(self, _run: Running, _worker: int, answer: Answer, now_ns: int) -> None:
        """As `Incident`."""
        if not self.injected or (answer.code is None and answer.source != FALLBACK):
            return
        last = self.injected[-1]
        last.errors += answer.code is not None
        last.fallbacks += answer.code is None
        last.disturbed_ns = now_ns - self._from_ns - last.at_ns

    def over(self, _now_ns: int) -> bool:
        """As `Incident`: a command that restores what it broke may end."""
        return self._running is None

    @property
    def _next_ns(self) -> int:
        return NEVER if self._from_ns == NEVER else self._from_ns + round((self._number + 1) * self._fault.every_s * NS)

    def _inject(self, run: Running, now_ns: int) -> None:
        self._number += 1
        if self._running is not None:
            run.mark(now_ns, f"fault {self._number} left out: the command before has not ended")
            return
        self._said.seek(0)
        self._said.truncate()
        self._running = subprocess.Popen(
            self._fault.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )
        self.injected.append(Injected(now_ns - self._from_ns))
        run.mark(now_ns, f"fault {self._number}: {shlex.join(self._fault.command)}")

    def _look(self, run: Running, now_ns: int) -> None:
        """Whether the command has ended."""
        status = None if self._running is None else self._running.poll()
        if status is None:
            return
        self._running = None
        self.injected[-1].status = status
        if status:
            run.mark(now_ns, f"fault {self._number} failed with status {status}: {self._last_words()}")

    def _last_words(self) -> str:
        self._said.seek(0)
        return self._said.read()[-_SAID_BYTES:].decode("utf-8", "replace").strip() or "it said nothing"
