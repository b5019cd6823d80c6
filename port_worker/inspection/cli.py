"""`port-worker inspect`: show recorded frames as Erlang terms, or feed them to a worker again."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

if TYPE_CHECKING:
    from port_worker.inspection.frames import Frame
    from port_worker.recording import Header, Recording, Stream

    Show: TypeAlias = Callable[[Frame], None]

DONE, UNANSWERED, UNUSABLE, NO_WORKER, NO_FRAMES, INTERRUPTED = 0, 1, 2, 3, 65, 130

_EPILOG = """Exit status: 0 all frames were shown, or with --replay all calls answered; 1 calls stayed unanswered; 2
unusable arguments or file; 3 with --replay, no worker, or one that ended on its own or not as it should; 65 the input
holds no frames, or stops holding them; 130 interrupted. A recording that ends within a frame, as when the worker was
killed, is no error. To follow one that is being made: tail -c +1 -f FILE | port-worker inspect -"""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 and at most 86400, got {text!r}")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = (
        "Print what passed between a host and its worker, one frame a line: seconds, direction (in is to the worker), "
        "bytes, the call's id, and the term as an Erlang shell prints it. `worker --record FILE` makes recordings; "
        "a bare stream of {packet, 4} frames will do too."
    )
    parser.epilog = _EPILOG
    parser.usage = "%(prog)s [OPTION ...] FILE\n       %(prog)s --replay FILE [OPTION ...] [-- COMMAND ...]"
    add = parser.add_argument
    # One list: argparse gives a second positional nothing once an option stands between the two.
    add("words", metavar="FILE", nargs="*", help="a recording, or '-' for stdin, whose frames are shown as they come")
    add("--direction", choices=("in", "out"), help="show only what the host said (in) or what the worker said (out)")
    add("--id", metavar="N", type=int, help="show only the frames of this call")
    add("--full", action="store_true", help="cut no term at the terminal's width")
    add("--json", action="store_true", help="print one JSON object a line")
    add("--replay", metavar="FILE", help="feed what the host said to a worker again, and compare the answers; the "
        "worker is COMMAND, or else this one")  # fmt: skip
    add("--timing", action="store_true", help="replay at the recorded times, not as fast as the worker takes it")
    add(
        "--timeout",
        metavar="S",
        type=_seconds,
        default=60.0,
        help="how long it may be silent once it has started (default: 60)",
    )
    add("--home", metavar="DIR", type=Path,
        help="of the default worker; what was recorded trains there too (default: one per user)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Show, or replay. Returns the exit status, which `--help` explains."""
    from port_worker.recording import RecordingError

    if (misused := _misused(args)) is not None:
        return _refuse(UNUSABLE, misused)
    file: str = args.replay or args.words[0]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks is no reason to end
    try:
        with _opened(file) as frames:
            return _show(args, file, frames) if args.replay is None else _replay(args, file, frames)
    except RecordingError as error:
        return _refuse(NO_FRAMES, f"{_called(file)}: {error}")
    except BrokenPipeError:  # the reader of stdout has seen enough; what is still buffered must not be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return _refuse(UNUSABLE, f"{error.filename or _called(file)}: {(error.strerror or str(error)).lower()}")
    except KeyboardInterrupt:
        return INTERRUPTED


def _misused(args: argparse.Namespace) -> str | None:
    """Why the arguments do not go together; None when they do."""
    if args.replay is None and (args.timing or args.home):
        return "--timing and --home belong to --replay FILE"
    if args.replay is None and len(args.words) != 1:
        return f"expected one FILE, or '-' for stdin, got {len(args.words)}; a COMMAND belongs to --replay FILE"
    if args.replay is not None and args.words and args.home:
        return "--home is of the default worker; COMMAND has its own"
    if (args.replay or args.words[0]) == "-" and sys.stdin.isatty():
        return "stdin is a terminal, and frames are not for typing: name a FILE, or pipe them in"
    return None


def _show(args: argparse.Namespace, file: str, stream: Stream) -> int:
    from port_worker.recording import read_recording

    recording = read_recording(stream)
    show = _shown(args, recording.header)
    count = 0
    for frame in _frames(recording):
        count += 1
        show(frame)
    return _end(file, recording, count)


def _replay(args: argparse.Namespace, file: str, stream: Stream) -> int:
    from port_worker.inspection.replay import NoWorker, Replay
    from port_worker.inspection.report import report
    from port_worker.recording import read_recording
    from protocol.codec import codec

    recording = read_recording(stream)
    if args.timing and recording.header is None:
        return _refuse(UNUSABLE, f"{_called(file)}: --timing needs a recording; bare frames have no times")
    codec_name = recording.header.codec if recording.header else "etf"
    argv = args.words or _default_worker(args.home, codec_name)
    try:
        with Replay(argv, codec(codec_name), _shown(args, None), timeout=args.timeout) as replay:
            summary = replay.run(_frames(recording), timing=args.timing)
    except NoWorker as error:
        return _refuse(NO_WORKER, f"no worker to replay to: {error}")
    report(summary, sys.stdout, as_json=args.json)
    if summary.worker is not None:
        return NO_WORKER
    return UNANSWERED if summary.unanswered or summary.unfed else DONE


def _frames(recording: Recording) -> Iterator[Frame]:
    from port_worker.inspection.frames import Frames

    frames = Frames(recording.header.codec if recording.header else None)
    return map(frames.frame, recording)


def _shown(args: argparse.Namespace, header: Header | None) -> Show:
    """What shows a frame, unless the options exclude it."""
    from port_worker.inspection.lines import columns_to, json_to

    if header is not None and sys.stdout.isatty() and not args.json:
        began = datetime.fromtimestamp(header.began_ms // 1000, timezone.utc)
        sys.stdout.write(f"recorded from {began:%Y-%m-%d %H:%M:%S} UTC, {header.codec}\n")
    show = json_to(sys.stdout) if args.json else columns_to(sys.stdout, full=args.full)

    def chosen(frame: Frame) -> None:
        if args.direction in (None, frame.direction) and args.id in (None, frame.id):
            show(frame)

    return chosen


def _end(file: str, recording: Recording, count: int) -> int:
    """Say what is amiss about the end of the input."""
    if recording.missing_end:
        _note(f"{_called(file)}: ends {recording.missing_end} bytes into a frame, which is left out")
        return DONE if recording.header else NO_FRAMES
    if not count:
        _note(f"{_called(file)}: no frames")
        return DONE if recording.header else NO_FRAMES
    return DONE


def _default_worker(home: Path | None, codec_name: str) -> list[str]:
    from port_worker.config import default_home
    from port_worker.host import worker_command

    return [*worker_command(home or default_home()), "--codec", codec_name]


@contextmanager
def _opened(file: str) -> Iterator[Stream]:
    if file == "-":
        yield cast("BinaryIO", sys.stdin.buffer)  # type: ignore[misc]
        return
    with Path(file).open("rb") as opened:
        yield opened


def _called(file: str) -> str:
    return "stdin" if file == "-" else file


def _note(text: str) -> None:
    sys.stderr.write(f"port-worker inspect: {text}\n")


def _refuse(status: int, why: str) -> int:
    _note(why)
    return status
