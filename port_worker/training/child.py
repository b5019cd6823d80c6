"""The trainer's work: read the source, fit, publish, and say how it goes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from port_worker.training import lifeline
from port_worker.training.messages import Done, Failed, Job, TrainerMessage, decode, encode
from port_worker.training.progress import Reporter

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

_NICE = 19
_SHOWN_CHARACTERS = 500


def main(life_line: int, messages: int) -> NoReturn:
    """Take a job from `life_line`, do it, send messages to `messages`; never returns."""
    lifeline.die_with_parent()
    with contextlib.suppress(OSError):
        os.nice(_NICE)  # what answers requests goes first
    try:
        job = decode(lifeline.read_line(life_line))
    except lifeline.ParentGoneError:
        os._exit(1)
    assert isinstance(job, Job)
    lifeline.watch(life_line)
    outcome = attempt(lambda: train(job, Reporter(lambda progress: _send(messages, progress))))
    _send(messages, outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if isinstance(outcome, Done) else 1)  # no tear-down of TensorFlow, which takes a while


def attempt(work: Callable[[], Done]) -> Done | Failed:
    """What became of the work, whatever it raises; the traceback goes to stderr.

    Also what is no Exception: Rust's PanicException of LibRecommender's extensions, and a library's SystemExit.
    """
    try:
        return work()
    except BaseException as error:  # noqa: BLE001  the process ends with this report
        traceback.print_exc()
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
    """Everything from the source to the published version. Raises what the rooms raise."""
    started = time.monotonic()
    from port_worker.sources.registry import open_source
    from port_worker.store.models import ModelStore
    from port_worker.training import dataset, fit, two_stage

    reporter.report("extract", 0.0, rows=0)
    source = open_source(job.source)
    data = dataset.prepare(source.interactions(lambda rows: reporter.report("extract", 0.0, rows=rows)))
    if data.skipped:
        sys.stderr.write(f"{source.spec}: {data.skipped} malformed row(s) skipped, {data.rows} read\n")
    data = dataset.described(data, source)
    plan = two_stage.fitting(job.plan, len(data.item_ids), len(data.user_ids))
    reporter.report("prepare", 0.0, rows=data.rows)
    fit.load_libraries()
    exported = two_stage.trained(plan, data, reporter, job.index)
    with ModelStore(Path(job.store)).stage() as staging:
        exported.write(staging.path)
        reporter.report("export", 0.5)
        manifest = staging.publish(
            algorithm=plan.name,
            kind=exported.kind,
            params=cast("dict[str, Json]", two_stage.all_params(plan)),  # every Value is a Json, but dict is invariant
            users=len(data.user_ids),
            items=len(data.item_ids),
            rows=data.rows,
            source=source.spec,
            libraries=fit.library_versions(),
            facts=exported.facts,
        )
    reporter.report("export", 1.0)
    duration_ms = round((time.monotonic() - started) * 1000)
    return Done(manifest.version, plan.name, data.rows, manifest.users, manifest.items, duration_ms)


def _send(messages: int, message: TrainerMessage) -> None:
    line = encode(message)
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more: the life line ends this process
        while line:
            line = line[os.write(messages, line) :]
