"""One run of a BEAM: start it, tell it to go, hear how far it is, read what it found."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

from port_worker.bench.beam.plan import Plan
from port_worker.bench.beam.samples import Samples, read_samples
from port_worker.bench.beam.toolchain import SCRIPT, BeamError, environment
from port_worker.host import WorkerGone
from protocol.errors import ProtocolError

_MARGIN_S = 60.0  # for the BEAM itself, beyond what its plan may take
_END_S = 5.0  # from the end of its stdin to its own

# Names are UTF-8; and monotonic time is the system's own, not one that is bent towards the time of day.
_EMULATOR = "+fnu +C multi_time_warp"


@dataclass(frozen=True)
class Tick:
    """How far a run is. `pids` are the workers', 0 for one that is not there."""

    elapsed_s: float
    sent: int
    ok: int
    errors: int
    pids: tuple[int, ...]


def command(ebin: Path) -> list[str]:
    """The BEAM's command line, without the two files that are its arguments."""
    return ["elixir", "--erl", _EMULATOR, "-pa", str(ebin), str(SCRIPT)]


def drive(
    argv: list[str],
    plan: Plan,
    *,
    on_ready: Callable[[tuple[int, ...]], None] = lambda _pids: None,
    on_tick: Callable[[Tick], None] = lambda _tick: None,
) -> Samples:
    """Run a plan.

    Args:
        argv: as `command` gives it.
        plan: what to do.
        on_ready: gets the workers' process ids before the load begins.
        on_tick: is called once a second; has to be quick.

    Raises WorkerGone when a worker does not start, BeamError when the run is not done otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as name:
        folder = Path(name)
        plan_file, result_file = folder / "plan.etf", folder / "result.etf"
        plan_file.write_bytes(plan.encode())
        with (folder / "stderr").open("w+b") as errors:
            _converse([*argv, str(plan_file), str(result_file)], plan, errors, on_ready, on_tick)
        try:
            return read_samples(result_file.read_bytes(), plan)
        except (OSError, ProtocolError, KeyError, TypeError, ValueError) as error:
            raise BeamError(f"the BEAM left no result that can be read: {error}") from error


def _converse(
    argv: list[str],
    plan: Plan,
    errors: IO[bytes],
    on_ready: Callable[[tuple[int, ...]], None],
    on_tick: Callable[[Tick], None],
) -> None:
    done = False
    with _process(argv, errors, plan.longest_s + _MARGIN_S) as beam:
        assert beam.stdin is not None
        assert beam.stdout is not None
        for line in beam.stdout:
            kind, *words = line.split() or [""]
            if kind == "ready":
                on_ready(tuple(map(int, words)))
                _go(beam.stdin)
            elif kind == "failed":
                raise WorkerGone(line.removeprefix("failed ").strip(), None)
            elif kind == "tick":
                on_tick(_tick(words))
            done |= kind == "done"
        status = beam.wait()
    if status or not done:
        raise _failure(status, errors)


def _go(stdin: IO[str]) -> None:
    with suppress(BrokenPipeError):  # it has ended, and its status says why
        stdin.write("go\n")
        stdin.flush()


def _tick(words: list[str]) -> Tick:
    elapsed_ms, sent, ok, errors, *pids = map(int, words)
    return Tick(elapsed_ms / 1000, sent, ok, errors, tuple(pids))


@contextmanager
def _process(argv: list[str], errors: IO[bytes], limit_s: float) -> Iterator[subprocess.Popen[str]]:
    """The BEAM, in a session of its own so that Ctrl-C is ours; ended however the block ends."""
    try:
        beam = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise BeamError(f"cannot start {argv[0]}: {(error.strerror or str(error)).lower()}") from error
    overdue = Timer(limit_s, beam.kill)
    overdue.daemon = True
    overdue.start()
    try:
        yield beam
    finally:
        overdue.cancel()
        _end(beam)


def _end(beam: subprocess.Popen[str]) -> None:
    """Its stdin ends, and with that the run and the workers; after some seconds it is killed."""
    assert beam.stdin is not None
    assert beam.stdout is not None
    with suppress(BrokenPipeError):
        beam.stdin.close()
    try:
        beam.wait(_END_S)
    except subprocess.TimeoutExpired:
        beam.kill()
        beam.wait()
    beam.stdout.close()


def _failure(status: int, errors: IO[bytes]) -> BeamError:
    errors.seek(0)
    said = errors.read().decode("utf-8", "replace").strip()
    return BeamError(f"the BEAM ended with status {status}: {said[-500:] or 'it said nothing'}")
