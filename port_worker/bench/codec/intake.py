"""A frame's way into a worker, without the worker: read, cut, decode, check, answer what is refused.

Run as a program it is one child of the hostile section. Its stdin is the number of passes, then for each the number of
its bytes, then those; numbers have 8 bytes, big-endian. The bytes are read as a worker reads, 64 KiB at a time. What it
writes at the end is one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from protocol.arguments import parse_arguments
from protocol.errors import ProtocolError
from protocol.framing import FrameReader, frame
from protocol.messages import Call, Cancel, ErrorReply, parse_inbound, to_payload

READ_BYTES = 64 * 1024
ACCEPTED, INCOMPLETE = "accepted", "incomplete"
_COUNT_BYTES = 8
_STATUS = "/proc/self/status"


class Intake:
    """Takes what was read; `outcome` is what became of the last frame: an error's code, or ACCEPTED."""

    def __init__(self) -> None:
        self._frames = FrameReader()
        self.outcome = INCOMPLETE

    def take(self, data: bytes) -> None:
        """Do what a worker does with these bytes before a model is asked."""
        self._frames.feed(data)
        try:
            for payload in self._frames.frames():
                self.outcome = _received(payload)
        except ProtocolError as error:
            self.outcome = _refused(error)


def _received(payload: bytes) -> str:
    try:
        message = parse_inbound(payload)
        if isinstance(message, Call):
            parse_arguments(message)
    except ProtocolError as error:
        return _refused(error)
    return ACCEPTED


def _refused(error: ProtocolError) -> str:
    to_payload(ErrorReply.of(error.call_id, error))  # its text quotes what was sent, so it costs as well
    return error.code


@dataclass(frozen=True)
class Pass:
    """What one frame cost. Times without the waiting for the pipe; peaks in bytes above what there was before."""

    outcome: str
    wall_ms: float
    cpu_ms: float
    rss_bytes: int
    traced_bytes: int | None


def _one_pass(size: int, *, traced: bool) -> Pass:
    resident = _peak_resident_bytes()
    if traced:
        tracemalloc.start()
    intake = Intake()
    wall_ns = cpu_ns = 0
    for data in _read(size):
        wall_began, cpu_began = time.perf_counter_ns(), time.process_time_ns()
        if intake.outcome == INCOMPLETE:
            intake.take(data)
        wall_ns += time.perf_counter_ns() - wall_began
        cpu_ns += time.process_time_ns() - cpu_began
    peak = tracemalloc.get_traced_memory()[1] if traced else None
    tracemalloc.stop()
    return Pass(intake.outcome, wall_ns / 1e6, cpu_ns / 1e6, _peak_resident_bytes() - resident, peak)


def _read(size: int) -> Iterator[bytes]:
    while size:
        data = os.read(0, min(size, READ_BYTES))
        if not data:
            raise SystemExit("intake: the input ended within a pass")
        size -= len(data)
        yield data


def _peak_resident_bytes() -> int:
    """The most that this process has ever held. On Linux `getrusage` starts with what its parent held."""
    try:
        with open(_STATUS, encoding="ascii") as status:  # noqa: PTH123 (no more imports than a worker has)
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def main() -> int:
    """Take every pass: the number of them, then each. In the last memory is traced, so its times say nothing."""
    Intake().take(frame(to_payload(Cancel(1))))  # what is made once is not what a frame costs
    count = _number()
    passes = [_one_pass(_number(), traced=place == count - 1) for place in range(count)]
    sys.stdout.write(json.dumps([asdict(one) for one in passes]) + "\n")
    return 0


def _number() -> int:
    return int.from_bytes(b"".join(_read(_COUNT_BYTES)), "big")


if __name__ == "__main__":
    sys.exit(main())
