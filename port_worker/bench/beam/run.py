"""A run through Elixir from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from port_worker.bench.beam.drive import Tick, command, drive
from port_worker.bench.beam.plan import Plan
from port_worker.bench.beam.samples import Samples
from port_worker.bench.beam.summing import Window, sum_up
from port_worker.bench.beam.toolchain import BeamError, compiled, unavailable
from port_worker.bench.beam.watching import UseOfWorkers
from port_worker.bench.measured import Measured


def measure(
    plan: Plan,
    names: Sequence[str],
    windows: Sequence[Window],
    cache: Path,
    on_tick: Callable[[Tick], None] = lambda _tick: None,
) -> tuple[Measured, Samples]:
    """Run a plan and sum it up; the calls one by one, and what is known of the BEAM, come with that.

    Args:
        plan: what to do.
        names: the operation, as the mix has it, of each request of the plan.
        windows: the phases, as `sum_up` takes them.
        cache: where the compiled client is kept.
        on_tick: is called once a second; has to be quick.

    Raises BeamError, or WorkerGone when a worker does not start.
    """
    why_not = unavailable()
    if why_not is not None:
        raise BeamError(why_not)
    use = UseOfWorkers()
    began_s = time.monotonic()

    def ready(pids: tuple[int, ...]) -> None:
        nonlocal began_s
        began_s = time.monotonic()
        use.ready(pids)

    def tick(at: Tick) -> None:
        use.tick(at)
        on_tick(at)

    samples = drive(command(compiled(cache)), plan, on_ready=ready, on_tick=tick)
    return sum_up(samples, names, windows, use, began_s), samples
