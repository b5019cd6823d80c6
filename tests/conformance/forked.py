"""The broken worker as a fork of the test process: the kit starts thousands, and Python takes too long to start."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import time
import traceback
from typing import IO

from port_worker.conformance.process import WorkerProcess
from tests.peers import broken_worker


class Forked:
    """A child process, the leader of its own session, with the little of Popen that the kit uses."""

    def __init__(self, name: str, stderr: IO[bytes]) -> None:
        reads, self_writes = os.pipe()
        self_reads, writes = os.pipe()
        self._status: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _become_worker(name, reads, writes, stderr.fileno())
        os.close(reads)
        os.close(writes)
        self.stdin: IO[bytes] | None = os.fdopen(self_writes, "wb", buffering=0)
        self.stdout: IO[bytes] | None = os.fdopen(self_reads, "rb", buffering=0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises TimeoutExpired."""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
            else:
                time.sleep(0.0005)
        return self._status


def start(name: str, timeout: float) -> WorkerProcess:
    """Start the broken worker with a defect."""
    stderr = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
    return WorkerProcess(Forked(name, stderr), stderr, timeout)


def _become_worker(name: str, reads: int, writes: int, errors: int) -> None:
    status = 70
    gc.disable()  # it would touch, and so copy, all that the fork shares with the test process
    try:
        os.setsid()
        for fd, standard in ((reads, 0), (writes, 1), (errors, 2)):
            os.dup2(fd, standard)
        # Other pipes of the test process must end when it closes them.
        os.closerange(3, 1024)
        sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115  until the exit
        status = broken_worker.main(name)
    except BaseException:  # noqa: BLE001  nothing of a fork may go on as the test process
        traceback.print_exc()
    finally:
        os._exit(status)
