"""The worker's hold on its trainer, a child process. Standard library only; nothing here waits for the child."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from port_worker.store.models import ModelStore
from port_worker.training import environment, memory
from port_worker.training.errors import TrainingError
from port_worker.training.lines import Lines
from port_worker.training.messages import Done, Failed, Job, TrainerMessage, decode, encode
from port_worker.training.progress import Progress

TRAINER = (sys.executable, "-m", "port_worker.training")
"""The trainer's command; the number of the descriptor for its messages follows."""

MAX_LOG_BYTES = 1 << 20
"""A log that is longer when a training starts becomes the previous log."""

_MAX_JOB_BYTES = 32 * 1024  # a pipe takes that much without a reader
_TAIL_BYTES = 4096
_SHOWN_CHARACTERS = 300


class TrainerProcess:
    """One training. Ask `read` whenever `fd` is readable, and now and then besides; it ends with Done or Failed."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, job: Job, log: Path) -> None:
        self._process = process
        self._job = job
        self._log = log
        self._lines = Lines(fd)
        self._outcome: Done | Failed | None = None
        self._peak = 0
        self.fd = fd
        """Readable when there is something to `read`. Closed by `close` only: unregister it before."""
        self.finished = False
        """Whether the child is gone and its last message read."""

    @classmethod
    def start(cls, job: Job, log: Path, command: Sequence[str] = TRAINER) -> TrainerProcess:
        """Spawn the trainer, in a session of its own, printing into `log`. Raises TrainingError `training_failed`."""
        line = encode(job)
        if len(line) > _MAX_JOB_BYTES:
            raise _cannot_start(f"its job takes {len(line)} bytes, more than {_MAX_JOB_BYTES}")
        incoming, outgoing = os.pipe()
        os.set_blocking(incoming, False)
        try:
            process = _spawn([*command, str(outgoing)], outgoing, log)
        except OSError as error:
            os.close(incoming)
            raise _cannot_start(str(error)) from error
        finally:
            os.close(outgoing)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead already, as `read` will tell
            process.stdin.write(line)
            process.stdin.flush()
        return cls(process, incoming, job, log)

    @property
    def pid(self) -> int:
        """The trainer's process id, which is also its group's."""
        return self._process.pid

    def read(self) -> list[TrainerMessage]:
        """What the trainer has said since. Never blocks.

        The last message of all is Done or Failed, and comes when the child is gone, so that a new training may start
        then: Failed also for a child that ended without a word, and with the code `cancelled` after `kill`.
        """
        if self.finished:
            return []
        dead = self._process.poll() is not None  # asked before reading: what it wrote until then is in the pipe
        progress = self._take_messages()
        self._look_at_memory()
        if not dead and not self._lines.ended:
            return progress
        return [*progress, self._finish()]

    def kill(self) -> None:
        """End the trainer and whatever it started. Returns at once; `read` tells when it is gone."""
        if self._outcome is None:
            self._outcome = Failed("cancelled", "the training was cancelled")
        self._kill_group()

    def close(self) -> None:
        """End the trainer, wait for that, and close `fd`. May be called in any state, and again."""
        if not self.finished:
            self.kill()
            self._finish()
        self._lines.close()

    def _take_messages(self) -> list[TrainerMessage]:
        try:
            messages = [decode(line) for line in self._lines.read()]
        except ValueError as error:
            self._end_with(Failed("training_failed", f"the trainer's message cannot be read: {error}"))
            return []
        progress: list[TrainerMessage] = []
        for message in messages:
            if isinstance(message, Progress):
                progress.append(message)
            elif isinstance(message, Done | Failed):
                self._end_with(message)
        return progress

    def _look_at_memory(self) -> None:
        limit = self._job.memory_limit
        if limit is None or self._outcome is not None:
            return
        self._peak = max(self._peak, memory.resident_bytes(self._process.pid))
        if self._peak > limit:
            self._end_with(Failed.of_memory(limit, self._peak))

    def _end_with(self, outcome: Done | Failed) -> None:
        self._outcome = self._outcome or outcome
        self._kill_group()

    def _finish(self) -> Done | Failed:
        self._kill_group()
        status = self._process.wait()  # it is dead or dying; its pipe is closed after its memory is given back
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(OSError):
            ModelStore(Path(self._job.store)).sweep_staging()
        self.finished = True
        return self._explained(self._outcome or self._silent_end(status))

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a dead group
            os.killpg(self._process.pid, signal.SIGKILL)

    def _silent_end(self, status: int) -> Failed:
        last_line = _last_line(self._log)
        message = f"the trainer ended with {_status_text(status)}; the last line of {self._log}: {last_line!r}"
        return Failed("training_failed", message, {"exit_status": status, "last_line": last_line})

    def _explained(self, outcome: Done | Failed) -> Done | Failed:
        """A failure with the place of the log, where the traceback is."""
        if isinstance(outcome, Failed) and outcome.code == "training_failed":
            return Failed(outcome.code, outcome.message, {**outcome.details, "log": str(self._log)})
        return outcome


def _spawn(command: list[str], messages: int, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(messages,),
            start_new_session=True,
            env=environment.of_child(),
        )


def _cannot_start(why: str) -> TrainingError:
    return TrainingError("training_failed", f"the trainer cannot be started: {why}", {"reason": why})


def _status_text(status: int) -> str:
    if status >= 0:
        return f"exit status {status} before it said why"
    name = signal.Signals(-status).name
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:_SHOWN_CHARACTERS] for line in reversed(lines) if line.strip()), "")
