"""What is left when the trainer, or its worker, is killed at any instant of a retrain.

`python -m tests.training.kills --count 200 --seed 7 --json` kills each in turn, with SIGKILL, at drawn instants: two
rounds anywhere in the measured length of a retrain, two in any of its phases, all alike likely, since some are short.
An instant is so long after a phase was heard to begin, so that a busy machine moves none of them elsewhere. After each:
an intact active version answers, no temporary folder is left after the next start, and no process lives on. Each round
has a home of its own. What runs is known by a variable of its environment, which every process that a worker starts
inherits.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psutil

from port_worker.bench.sources.retrains import Phases
from port_worker.fixture.database import write_world
from port_worker.host import HostError, WorkerHost, worker_command
from port_worker.host.errors import WorkerGone
from port_worker.sources.registry import open_source
from port_worker.store.errors import StoreError
from port_worker.store.models import ModelStore
from protocol.atoms import Atom
from protocol.messages import ErrorReply, Event, Ok, Outbound, Progress

Victim: TypeAlias = Literal["trainer", "worker"]

MARK = "PORT_WORKER_TESTS_KILLS"
RETRAIN = {"algorithm": "ALS", "params": {"n_epochs": 3}, "activate": Atom("force")}
ORPHANS_END_WITHIN_S = 2.0
_ANSWER_S = 60.0
_START, _DONE = "start", "done"
_BEYOND = 0.05
"""How long after the retrain is also a phase, as a share of the retrain's length."""


@dataclass(frozen=True)
class Setting:
    """What every round begins with: a home with an active version, and how its worker is started."""

    home: Path
    command: Sequence[str]
    phases: dict[str, float]  # of a retrain, in their order: how many seconds each takes
    user: Any

    @property
    def length_s(self) -> float:
        """Seconds that a retrain takes."""
        return sum(self.phases.values())

    def argv(self, home: Path) -> list[str]:
        """The worker's command on a home."""
        return [*self.command, *worker_command(home)[4:]]


@dataclass(frozen=True)
class Instant:
    """So many seconds after a phase was heard to begin, or as soon as a later one is."""

    phase: str
    after_s: float


@dataclass
class Round:
    """One kill. `phase`: the last that was heard of, `done` if the retrain had ended. `wrong`: what must not be."""

    victim: Victim
    instant: Instant
    phase: str = _START
    swapped: bool = False
    orphans_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def real_worker() -> list[str]:
    """Up to the name of the program."""
    return worker_command("")[:4]


def light_worker() -> list[str]:
    """One whose trainer is done within a second."""
    return [sys.executable, "-m", "tests.peers.light_worker"]


@contextlib.contextmanager
def prepared(command: Sequence[str], folder: Path) -> Iterator[Setting]:
    """A world with an active version, after two retrains, of which the second tells how long one takes."""
    home = folder / "base"
    write_world(home / "world.sqlite", users=150, items=120, visits=4000)
    user = open_source(str(home / "world.sqlite")).sample_users(1)[0].id
    setting = Setting(home, command, {}, user)
    with started(setting, home, "prepare") as worker:
        worker.call("retrain", RETRAIN, timeout=300.0)
        phases = Phases()
        phases.begin()
        worker.call("retrain", RETRAIN, timeout=300.0, on_progress=phases.hear)
        phases.end()
    yield Setting(home, command, phases.seconds, user)


@contextlib.contextmanager
def started(setting: Setting, home: Path, mark: str) -> Iterator[WorkerHost]:
    """A worker that ends with the block, and is known by its mark."""
    with (home / "worker.log").open("ab") as log:
        worker = WorkerHost.start(setting.argv(home), env={**os.environ, MARK: mark}, stderr=log)
        try:
            yield worker
        finally:
            worker.close()


def rounds(setting: Setting, folder: Path, count: int, seed: int) -> Iterator[Round]:
    """Kill the trainer and the worker in turn, at seeded instants."""
    choices = random.Random(seed)
    lengths = setting.phases | {_DONE: _BEYOND * setting.length_s}
    for number in range(count):
        victim: Victim = "trainer" if number % 2 == 0 else "worker"
        one = Round(victim, drawn(choices, lengths, by_time=number % 4 < 2))
        home = folder / f"round-{number}"
        shutil.copytree(setting.home, home)
        mark = f"{os.getpid()}-{number}"
        try:
            play(one, setting, home, mark)
        except (HostError, StoreError, OSError) as error:
            one.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            for process in marked(mark):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        if not one.wrong:
            shutil.rmtree(home)
        yield one


def drawn(choices: random.Random, lengths: Mapping[str, float], *, by_time: bool) -> Instant:
    """An instant of a phase that is drawn by its length, or as likely as any other."""
    weights = list(lengths.values()) if by_time else None
    [phase] = choices.choices(list(lengths), weights)
    return Instant(phase, choices.uniform(0.0, lengths[phase]))


def play(one: Round, setting: Setting, home: Path, mark: str) -> None:
    """One round; fills in `one`."""
    store = ModelStore(home / "models")
    before = store.active()
    with started(setting, home, mark) as worker:
        call = worker.send_call("retrain", RETRAIN)
        watch(worker, call, one, list(setting.phases))
        if one.victim == "worker":
            os.kill(worker.pid, signal.SIGKILL)
            expect_gone(worker)
        else:
            kill_trainer(worker, one)
            settle(worker, call, one)
            check_answers(worker, setting, store, one)
            one.orphans_s = wait_alone(mark, {worker.pid}, one)
    if one.victim == "worker":
        one.orphans_s = wait_alone(mark, set(), one)
    with started(setting, home, mark) as worker:
        left = [path.name for path in store.root.glob(".staging-*")]
        if left:
            one.wrong.append(f"after the next start there is {left}")
        check_answers(worker, setting, store, one)
    one.swapped = store.active() != before
    wait_alone(mark, set(), one)


def watch(worker: WorkerHost, call: int, one: Round, phases: Sequence[str]) -> None:
    """Hear the worker until the instant has come."""
    order = {phase: place for place, phase in enumerate([*phases, _DONE])}
    until = time.monotonic() + one.instant.after_s if one.instant.phase == _START else math.inf
    while order[one.phase] <= order[one.instant.phase] and (left := until - time.monotonic()) > 0:
        for message in worker.poll(min(left, 1.0)):
            hear(message, call, one)
        if one.phase == one.instant.phase and until == math.inf:
            until = time.monotonic() + one.instant.after_s


def hear(message: Outbound, call: int, one: Round) -> None:
    """Keep the phase."""
    if isinstance(message, Progress):
        one.phase = str(message.facts["phase"])
    elif isinstance(message, Ok) and message.id == call:
        one.phase = _DONE
    elif isinstance(message, ErrorReply):
        one.wrong.append(f"before the kill: {message.code}: {message.message}")


def kill_trainer(worker: WorkerHost, one: Round) -> None:
    """The worker's only child, as soon as it is there; after the training there is none to kill."""
    until = time.monotonic() + ORPHANS_END_WITHIN_S
    while one.phase not in ("load", _DONE) and time.monotonic() < until:
        for child in psutil.Process(worker.pid).children():
            child.send_signal(signal.SIGKILL)
            return
        if one.phase != _START:
            return  # it has just ended of itself


def settle(worker: WorkerHost, call: int, one: Round) -> None:
    """Wait for the end of the retrain: what its caller hears is an answer or a typed error."""
    until = time.monotonic() + _ANSWER_S
    while one.phase != _DONE:
        for message in worker.poll(1.0):
            if isinstance(message, Event):
                continue
            if isinstance(message, ErrorReply) and message.code != "training_failed":
                one.wrong.append(f"expected training_failed, got {message.code}: {message.message}")
            if isinstance(message, Ok | ErrorReply) and message.id == call:
                return
        if time.monotonic() > until:
            one.wrong.append(f"the retrain had no end within {_ANSWER_S:g} s")
            return


def expect_gone(worker: WorkerHost) -> None:
    """Read what a killed worker had written."""
    with contextlib.suppress(WorkerGone):
        while True:
            worker.poll(1.0)


def check_answers(worker: WorkerHost, setting: Setting, store: ModelStore, one: Round) -> None:
    """The active version is intact, it is what answers, and it knows a user."""
    active = store.active()
    assert active is not None
    for _slice in store.verify(active):
        pass
    reply = worker.call("recommend", {"user": setting.user, "n": 5}, timeout=_ANSWER_S)
    if (reply["source"], reply["model"], len(reply["items"])) != ("model", active, 5):
        one.wrong.append(f"expected 5 items of {active}, got {reply}")


def wait_alone(mark: str, but: set[int], one: Round) -> float:
    """Wait until no process of the round lives but those; returns seconds."""
    began = time.monotonic()
    while others := [process.pid for process in marked(mark) if process.pid not in but]:
        if time.monotonic() > began + ORPHANS_END_WITHIN_S:
            one.wrong.append(f"still there after {ORPHANS_END_WITHIN_S:g} s: {others}")
            break
    return time.monotonic() - began


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that a round has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def summary(played: Sequence[Round], length_s: float, seed: int) -> dict[str, Any]:
    """Figures of all rounds; `wrong` lists those that found something."""
    orphans = [one.orphans_s for one in played]
    return {
        "kills": len(played),
        "seed": seed,
        "retrain_s": round(length_s, 2),
        "victims": dict(Counter(one.victim for one in played)),
        "phases": dict(Counter(one.phase for one in played)),
        "new_version_serves": sum(one.swapped for one in played),
        "alone_after_s": {"median": round(statistics.median(orphans), 3), "max": round(max(orphans), 3)},
        "wrong": [asdict(one) for one in played if one.wrong],
    }


def main(argv: Sequence[str]) -> int:
    """Play the rounds, say how they went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--light", action="store_true", help="a trainer without LibRecommender")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object on stdout")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    played: list[Round] = []
    with prepared(light_worker() if args.light else real_worker(), folder) as setting:
        for one in rounds(setting, folder, args.count, args.seed):
            played.append(one)
            when = f"{one.instant.after_s:.2f} s after {one.instant.phase}, in {one.phase}"
            sys.stderr.write(f"{len(played)}: {one.victim} {when}: {one.wrong or 'ok'}\n")
    found = summary(played, setting.length_s, args.seed)
    text = json.dumps(found) if args.json else "\n".join(f"{key}: {value}" for key, value in found.items())
    sys.stdout.write(f"{text}\n")
    if not found["wrong"]:
        shutil.rmtree(folder)
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
