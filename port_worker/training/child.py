"""The trainer's work: read the source, fit, publish, and say how it goes."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from port_worker.training import lifeline, memory, priority
from port_worker.training.journal import Journal
from port_worker.training.messages import Done, Failed, Job, TrainerMessage, decode, encode
from port_worker.training.progress import Reporter

_SHOWN_CHARACTERS = 500


def main(life_line: int, messages: int) -> NoReturn:
    """Take a job from `life_line`, do it, send messages to `messages`; never returns."""
    lifeline.die_with_parent()
    priority.give_way()
    try:
        job = decode(lifeline.read_line(life_line))
    except lifeline.ParentGoneError:
        os._exit(1)
    assert isinstance(job, Job)
    lifeline.watch(life_line)
    memory.offer_to_the_kernel()
    if job.memory_limit is not None:
        memory.refuse_beyond(job.memory_limit)
    journal = Journal()
    journal.begin(job)
    reporter = Reporter(lambda progress: _send(messages, progress), journal=journal.hear)
    outcome = attempt(lambda: train(job, reporter), job.memory_limit)
    journal.end(outcome)
    _send(messages, outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if isinstance(outcome, Done) else 1)  # no tear-down of TensorFlow, which takes a while


def attempt(work: Callable[[], Done], memory_limit: int | None = None) -> Done | Failed:
    """What became of the work, whatever it raises; the traceback goes to stderr.

    Also what is no Exception: Rust's PanicException of LibRecommender's extensions, and a library's SystemExit.
    """
    try:
        return work()
    except BaseException as error:  # noqa: BLE001  the process ends with this report
        traceback.print_exc()
        if isinstance(error, MemoryError) and memory_limit is not None:
            return Failed.of_memory(memory_limit, memory.peak_bytes())
        return failure(error)


def failure(error: BaseException) -> Failed:
    """The message for an exception: its own code where our rooms raised it, else `training_failed` and its name."""
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if isinstance(code, str) and isinstance(details, dict):
        return Failed(code, str(error), details)
    name = type(error).__name__
    text = str(error)[:_SHOWN_CHARACTERS]
    return Failed("training_failed", f"training stopped with {name}: {text}", {"exception": name})


def train(job: Job, reporter: Reporter) -> Done:
    """The whole training. What it needs is imported now, when there is a job."""
    from port_worker.training.course import Course

    done = Course(job, reporter).run()
    if job.remote is not None:
        _push(job.remote, Path(job.store), done.version)
    return done


def _push(url: str, cache: Path, version: str) -> None:
    """Upload the version before anybody is told of it. Where that cannot be, the worker goes on trying."""
    from port_worker.store.errors import StoreUnavailable
    from port_worker.store.models import ModelStore
    from port_worker.store.remote import RemoteStore

    try:
        RemoteStore(url, ModelStore(cache)).push(version)
    except StoreUnavailable as error:
        sys.stderr.write(f"port_worker: {version} is not uploaded yet: {error}\n")


def _send(messages: int, message: TrainerMessage) -> None:
    line = encode(message)
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more: the life line ends this process
        while line:
            line = line[os.write(messages, line) :]
