"""A mutation fuzzer over the golden vectors.

    python -m tests.fuzz.mutation --seconds 1800 --seed 7 [--json] [--target NAME ...]
    python -m tests.fuzz.mutation --seed 7 --target "etf term" --only 12345

runs until the time is over and ends with figures; status 1 says that something was found: an exception other than
ProtocolError, a frame that took over 100 ms of CPU time each time it was tried, or one that took over 64 MiB.
`--only` makes one mutant again, and shows it. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.fuzz.mutants import Mutants
from tests.fuzz.targets import TARGETS, Target, try_target

SLOW_MS = 100.0
MOST_BYTES = 64 * 2**20
HANG_S = 30
_TRIES = 3
_TRACED_SHARE = 8
_TRACED_BYTES = 64 * 1024
_PROGRESS_S = 5.0


@dataclass
class Figures:
    """What a run has seen. Times are of one frame, the best of several tries where it was slow at first."""

    mutants: int = 0
    bytes: int = 0
    seconds: float = 0.0
    largest_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    max_cpu_ms: float = 0.0
    max_cpu_of: str = ""
    max_wall_ms: float = 0.0
    max_memory_bytes: int = 0
    max_memory_of: str = ""
    traced: int = 0
    found: list[str] = field(default_factory=list)
    """One line for each finding: what it is, and how to make its mutant again."""


@dataclass(frozen=True)
class Mutant:
    """Bytes for a target, and their number."""

    target: Target
    number: int
    data: bytes

    def __str__(self) -> str:
        return f"--target '{self.target.name}' --only {self.number} ({len(self.data)} bytes)"


def mutants(target: Target, seed: int) -> Mutants:
    """The mutants of a target's seeds."""
    return Mutants(seed, target.name, target.codec, target.seeds, frames=target.name == "stream")


def all_mutants(targets: list[Target], seed: int) -> Iterator[Mutant]:
    """Mutants without end, of each target in turn."""
    sources = [(target, mutants(target, seed)) for target in targets]
    for number in itertools.count():
        for target, source in sources:
            yield Mutant(target, number, source.mutant(number))


def try_mutant(mutant: Mutant, figures: Figures, *, traced: bool) -> None:
    """Time the target on it, then see what memory it takes, and note all that."""
    figures.mutants += 1
    figures.bytes += len(mutant.data)
    figures.largest_bytes = max(figures.largest_bytes, len(mutant.data))
    try:
        cpu_ms, wall_ms = _timed(mutant, figures)
        if cpu_ms > SLOW_MS:
            again = [_timed(mutant) for _ in range(_TRIES)]
            cpu_ms, wall_ms = min(cpu_ms, *(cpu for cpu, _ in again)), min(wall_ms, *(wall for _, wall in again))
        peak = _traced(mutant) if traced else 0
    except Exception as error:  # noqa: BLE001  that there is none is what is tried
        last = traceback.extract_tb(error.__traceback__)[-1]
        figures.found.append(f"{type(error).__name__}: {error!s:.200} at {last.filename}:{last.lineno}: {mutant}")
        return
    _note(mutant, figures, cpu_ms, wall_ms, peak)
    figures.traced += traced


def _note(mutant: Mutant, figures: Figures, cpu_ms: float, wall_ms: float, peak: int) -> None:
    if cpu_ms > figures.max_cpu_ms:
        figures.max_cpu_ms, figures.max_cpu_of = cpu_ms, str(mutant)
    if peak > figures.max_memory_bytes:
        figures.max_memory_bytes, figures.max_memory_of = peak, str(mutant)
    figures.max_wall_ms = max(figures.max_wall_ms, wall_ms)
    if cpu_ms > SLOW_MS:
        figures.found.append(f"slow: {cpu_ms:.0f} ms of CPU time, {wall_ms:.0f} ms in all: {mutant}")
    if peak > MOST_BYTES:
        figures.found.append(f"memory: {peak / 2**20:.1f} MiB: {mutant}")


def _timed(mutant: Mutant, figures: Figures | None = None) -> tuple[float, float]:
    """Milliseconds of CPU time, and in all."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    outcome = try_target(mutant.target, mutant.data)
    cpu_ms, wall_ms = (time.process_time_ns() - cpu) / 1e6, (time.perf_counter_ns() - wall) / 1e6
    if figures is not None:
        figures.outcomes[f"{mutant.target.name}: {outcome}"] += 1
    return cpu_ms, wall_ms


def _traced(mutant: Mutant) -> int:
    """The most bytes that were allocated at a time, beside the mutant itself."""
    tracemalloc.start()
    try:
        try_target(mutant.target, mutant.data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def is_traced(mutant: Mutant) -> bool:
    """Tracing is slow: large mutants, and some of the others."""
    return len(mutant.data) > _TRACED_BYTES or mutant.number % _TRACED_SHARE == 0


def run(targets: list[Target], seed: int, seconds: float) -> Figures:
    """Try mutants until the time is over. A frame that takes half a minute ends the run with a traceback."""
    figures, started = Figures(), time.monotonic()
    shown = started
    for mutant in all_mutants(targets, seed):
        signal.alarm(HANG_S)
        known = len(figures.found)
        try_mutant(mutant, figures, traced=is_traced(mutant))
        for found in figures.found[known:]:
            sys.stderr.write(f"\nFOUND {found}\n")
        figures.seconds = time.monotonic() - started
        if started + figures.seconds > shown + _PROGRESS_S:
            shown = started + figures.seconds
            sys.stderr.write(f"\r{progress(figures)}")
            sys.stderr.flush()
        if figures.seconds >= seconds:
            break
    signal.alarm(0)
    sys.stderr.write("\n")
    return figures


def progress(figures: Figures) -> str:
    """One line."""
    rate = figures.mutants / max(figures.seconds, 1e-9)
    return (
        f"{figures.seconds:.0f} s, {figures.mutants} mutants, {rate:.0f}/s, slowest {figures.max_cpu_ms:.1f} ms, "
        f"most memory {figures.max_memory_bytes / 2**20:.1f} MiB, {len(figures.found)} found"
    )


def report(figures: Figures) -> str:
    """The figures for people."""
    lines = [
        progress(figures),
        f"{figures.bytes / 2**20:.0f} MiB in all, the largest {figures.largest_bytes} bytes",
        f"most CPU time of one frame: {figures.max_cpu_ms:.1f} ms: {figures.max_cpu_of}",
        f"most time of one frame: {figures.max_wall_ms:.1f} ms",
        f"most memory of one frame: {figures.max_memory_bytes / 2**20:.1f} MiB, {figures.traced} traced: "
        f"{figures.max_memory_of}",
        *(f"  {count:>10} {outcome}" for outcome, count in sorted(figures.outcomes.items())),
        *(f"FOUND {found}" for found in figures.found),
    ]
    return "\n".join(lines)


def show(mutant: Mutant) -> Figures:
    """One mutant again: its bytes, or as many as fit, and its figures."""
    sys.stderr.write(f"{mutant.data[:2_000].hex()}\n{mutant}\n")
    figures = Figures()
    try_mutant(mutant, figures, traced=True)
    return figures


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.mutation", description="Fuzz protocol/ with mutants.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other mutants (default: 1)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one (repeatable)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="the mutant of that number alone; with one --target")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args(arguments)
    if args.only is not None and len(args.target or []) != 1:
        parser.error("--only: expected one --target with it")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Entry point. The status is 1 when something was found."""
    args = parse(arguments)
    targets = [TARGETS[name] for name in args.target or TARGETS]
    if args.only is not None:
        (target,) = targets
        figures = show(Mutant(target, args.only, mutants(target, args.seed).mutant(args.only)))
    else:
        figures = run(targets, args.seed, args.seconds)
    sys.stdout.write((json.dumps(vars(figures)) if args.json else report(figures)) + "\n")
    return 1 if figures.found else 0


if __name__ == "__main__":
    sys.exit(main())
