"""Trainers that misbehave: `python -m tests.peers.trainer KIND FD`, in place of the real one.

Each starts as the real one does, by the function that the real one uses.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from port_worker.training import child, lifeline
from port_worker.training.__main__ import take_streams
from port_worker.training.messages import Done, Job, encode
from port_worker.training.progress import Progress, Reporter

DONE = Done("20260101T000000Z-als-abcdef", "ALS", rows=3, users=2, items=2, duration_ms=1)


def prints_everywhere(_job: Job, reporter: Reporter) -> Done:
    print("from Python", flush=True)  # noqa: T201
    libc = ctypes.CDLL(None)
    libc.printf(b"from C\n")
    libc.fflush(None)
    os.write(1, b"to descriptor 1\n")
    subprocess.run(["echo", "from a child"], check=True)
    reporter.report("fit", 0.5)
    return DONE


def raises(error: BaseException) -> Callable[[Job, Reporter], Done]:
    def train(_job: Job, _reporter: Reporter) -> Done:
        raise error

    return train


class PanicException(BaseException):
    """As Rust's pyo3 names its own, which is no Exception either."""


def reads_standard_input(_job: Job, _reporter: Reporter) -> Done:
    if sys.stdin.read() != "":
        raise RuntimeError("expected nothing on standard input")
    return DONE


def waits(_job: Job, reporter: Reporter) -> NoReturn:
    reporter.report("fit", 0.25)
    while True:
        time.sleep(3600)


def has_a_child(_job: Job, reporter: Reporter) -> NoReturn:
    """The child's process id is the number of rows."""
    started = subprocess.Popen(["sleep", "3600"])
    reporter.report("fit", 0.25, rows=started.pid)
    while True:
        time.sleep(3600)


def has_a_child_that_keeps_the_pipe(_job: Job, reporter: Reporter) -> NoReturn:
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
    reporter.report("fit", 0.25, rows=pid)
    os._exit(7)


def allocates(_job: Job, reporter: Reporter) -> NoReturn:
    held = bytearray(256 << 20)  # zeros take no memory until they are written
    reporter.report("fit", 0.25)
    for page in range(0, len(held), 4096):
        held[page] = 1
    waits(_job, reporter)


def allocates_in_a_child(job: Job, reporter: Reporter) -> NoReturn:
    pid = os.fork()
    if pid == 0:
        allocates(job, reporter)
    waits(job, reporter)


def asks_for_too_much(_job: Job, _reporter: Reporter) -> Done:
    return replace(DONE, rows=len(bytearray(1 << 45)))


TRAINS: dict[str, Callable[[Job, Reporter], Done]] = {
    "prints-everywhere": prints_everywhere,
    "value-error": raises(ValueError("no such thing")),
    "panic": raises(PanicException("index out of bounds")),
    "memory-error": raises(MemoryError()),
    "system-exit": raises(SystemExit(0)),
    "interrupt": raises(KeyboardInterrupt()),
    "allocates": allocates,
    "allocates-in-a-child": allocates_in_a_child,
    "asks-for-too-much": asks_for_too_much,
    "reads-standard-input": reads_standard_input,
    "waits": waits,
    "has-a-child": has_a_child,
    "has-a-child-that-keeps-the-pipe": has_a_child_that_keeps_the_pipe,
}


def kills_itself(_messages: int) -> None:
    os.kill(os.getpid(), 9)


def says_nothing(_messages: int) -> None:
    os.write(2, b"first line\nlast words\n\n")
    os._exit(3)


def writes_half_a_line(messages: int) -> None:
    os.write(messages, encode(Progress("fit", 0.5))[:-10])
    os._exit(0)


def writes_in_pieces(messages: int) -> None:
    for byte in encode(Progress("fit", 0.5)) + encode(DONE):
        os.write(messages, bytes([byte]))


def writes_nonsense(messages: int) -> None:
    os.write(messages, b"Training start time: now\n")


def writes_without_end(messages: int) -> None:
    while True:
        os.write(messages, b"x" * 65536)


def closes_the_pipe_and_stays(messages: int) -> None:
    os.close(messages)
    while True:
        time.sleep(3600)


def stays_after_done(messages: int) -> None:
    os.write(messages, encode(DONE))
    while True:
        time.sleep(3600)


WRITES: dict[str, Callable[[int], None]] = {
    "kills-itself": kills_itself,
    "says-nothing": says_nothing,
    "writes-half-a-line": writes_half_a_line,
    "writes-in-pieces": writes_in_pieces,
    "writes-nonsense": writes_nonsense,
    "writes-without-end": writes_without_end,
    "closes-the-pipe-and-stays": closes_the_pipe_and_stays,
    "stays-after-done": stays_after_done,
}


def main(kind: str, messages: int) -> None:
    life_line = take_streams(messages)
    if kind.startswith("without-prctl-"):
        kind = kind.removeprefix("without-prctl-")
        vars(lifeline)["die_with_parent"] = lambda: False
    if kind in WRITES:
        WRITES[kind](messages)
    else:
        vars(child)["train"] = TRAINS[kind]
        child.main(life_line, messages)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
