"""What a retrain adds to LibRecommender's own `fit`: `python -m tests.training.overhead --rows 1000000 --json`.

Two processes of one kind, each from its spawn on, on the same interactions: the trainer, as the worker starts it; and a
program that imports LibRecommender, has it build its data set, and fits. Reading the file is left out of both, the
evaluation out of the trainer's. Each has its turn in every round, and the medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from port_worker.evaluation.policy import GatePolicy
from port_worker.sources.definition import SourceDefinition
from port_worker.training import catalogue, priority
from port_worker.training.messages import Done, Job
from port_worker.training.process import TrainerProcess

TIMES = "PORT_WORKER_TESTS_TIMES"
"""The variable that names the file where a process writes what took how long, in seconds."""

AS_A_WORKER_HAS_IT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""What a trainer inherits: for products of small matrices, two threads that wait for each other are slower."""

_LEFT_OUT = ("extract", "evaluate")


def write_interactions(path: Path, rows: int, seed: int = 5) -> None:
    """So many different pairs, of items that are popular by a power law, in a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    users, items = max(rows // 20, 10), max(rows // 100, 50)
    drawn = rng.integers(0, users, 2 * rows) * items + (items * rng.power(0.4, 2 * rows)).astype(np.int64)
    pairs = rng.permutation(np.unique(drawn))[:rows]
    table = {
        "user": pairs // items,
        "item": pairs % items,
        "label": np.ones(len(pairs), dtype=np.float32),
        "time": rng.integers(1_600_000_000, 1_700_000_000, len(pairs)),
    }
    parquet.write_table(pa.table(table), path)


def retrain(path: Path, folder: Path, algorithm: str, params: dict[str, Any]) -> dict[str, float]:
    """Seconds of each part of a training, and `wall` from the spawn to the last message."""
    valid = catalogue.validate(algorithm, params)
    policy = GatePolicy(final_fit=False)
    source, store = SourceDefinition(f"parquet:{path}"), str(folder / "models")
    job = Job(source, store, algorithm, valid, activate="never", gate=policy)
    times = folder / "times.json"
    os.environ.update({TIMES: str(times), **AS_A_WORKER_HAS_IT})
    began = time.monotonic()
    trainer = TrainerProcess.start(
        job, folder / "training.log", [sys.executable, "-m", "tests.training.overhead", "--as-trainer"]
    )
    heard = []
    while not trainer.finished:
        select.select([trainer.fd], [], [], 1.0)
        heard += trainer.read()
    wall = time.monotonic() - began
    trainer.close()
    assert isinstance(heard[-1], Done), heard[-1]
    return {"wall": wall, **json.loads(times.read_text())}


def bare(path: Path, folder: Path, algorithm: str, params: dict[str, Any]) -> dict[str, float]:
    """The same of a program that only fits."""
    times = folder / "bare.json"
    words = [sys.executable, "-m", "tests.training.overhead", "--as-bare", str(path), algorithm, json.dumps(params)]
    own = {name: value for name, value in os.environ.items() if name not in AS_A_WORKER_HAS_IT}
    began = time.monotonic()
    with (folder / "bare.log").open("ab") as log:
        subprocess.run(words, env={**own, TIMES: str(times)}, stdout=log, stderr=log, check=True)
    return {"wall": time.monotonic() - began, **json.loads(times.read_text())}


class Stopwatch:
    """Adds up what named parts take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose time counts."""

        def run(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return call(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

        return run

    def write(self) -> None:
        """To the file that the variable names."""
        Path(os.environ[TIMES]).write_text(json.dumps(self.seconds))


def as_trainer(messages: int) -> None:
    """The real trainer, whose parts are timed."""
    from port_worker.training.__main__ import take_streams

    life_line = take_streams(messages)
    from port_worker.training import child, dataset, fit, two_stage
    from port_worker.training.course import Course

    watch = Stopwatch()
    for module, name in ((fit, "load_libraries"), (dataset, "prepare"), (dataset, "train_set"), (fit, "exported")):
        vars(module)[name] = watch.timed(name, vars(module)[name])
    vars(two_stage)["build_index"] = watch.timed("build_index", vars(two_stage)["build_index"])
    new_model = fit.new_model

    def timed_model(*arguments: Any) -> Any:
        model = new_model(*arguments)
        model.fit = watch.timed("fit", model.fit)
        return model

    vars(fit)["new_model"] = timed_model
    for name in ("_evaluated", "_held_out", "_published"):
        setattr(Course, name, watch.timed(name.removeprefix("_"), getattr(Course, name)))
    init = Course.__init__

    def timed_init(self: Course, *arguments: Any) -> None:
        init(self, *arguments)
        source = self._source
        vars(source)["interactions"] = watch.timed("extract", source.interactions)

    Course.__init__ = timed_init  # type: ignore[method-assign, assignment]
    train = child.train

    def timed_train(*arguments: Any) -> Done:
        done = watch.timed("course", train)(*arguments)
        watch.seconds["evaluate"] = watch.seconds.pop("evaluated", 0.0)
        watch.write()
        assert isinstance(done, Done)
        return done

    vars(child)["train"] = timed_train
    child.main(life_line, messages)


def as_bare(path: str, algorithm: str, params: dict[str, Any]) -> None:
    """What somebody writes who has read LibRecommender's README."""
    priority.give_way()
    watch = Stopwatch()
    from pyarrow import parquet

    frame = watch.timed("extract", lambda: parquet.read_table(path).to_pandas())()
    from port_worker.training import fit

    watch.timed("load_libraries", fit.load_libraries)()
    import libreco.algorithms
    from libreco.data import DatasetPure

    build = watch.timed("train_set", DatasetPure.build_trainset)
    train_set, info = build(frame[["user", "item", "label"]])
    model = getattr(libreco.algorithms, algorithm)("ranking", info, **catalogue.validate(algorithm, params))
    watch.timed("fit", model.fit)(train_set, neg_sampling=True, verbose=0)
    watch.write()


def compared(path: Path, algorithm: str, params: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Medians of both, and how many times the bare program's time the retrain takes, without what is left out."""
    folder = Path(tempfile.mkdtemp(prefix="overhead-"))
    found: dict[str, list[dict[str, float]]] = {"retrain": [], "bare": []}
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir()
        found["retrain"].append(retrain(path, place, algorithm, params))
        found["bare"].append(bare(path, place, algorithm, params))
    ratios = [_counted(ours) / _counted(theirs) for ours, theirs in zip(found["retrain"], found["bare"], strict=True)]
    return {
        "algorithm": algorithm,
        "params": params,
        **{name: _medians(runs) for name, runs in found.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def _counted(run: dict[str, float]) -> float:
    return run["wall"] - sum(run.get(name, 0.0) for name in _LEFT_OUT)


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def main(argv: Sequence[str]) -> None:
    """Compare, or be one of the two processes."""
    if argv[:1] == ["--as-trainer"]:
        as_trainer(int(argv[1]))
        return
    if argv[:1] == ["--as-bare"]:
        as_bare(argv[1], argv[2], json.loads(argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--algorithm", default="BPR")
    parser.add_argument("--epochs", type=int, help="default: the algorithm's own")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args(argv)
    path = Path(tempfile.mkdtemp(prefix="overhead-")) / "interactions.parquet"
    write_interactions(path, args.rows)
    found = compared(path, args.algorithm, {} if args.epochs is None else {"n_epochs": args.epochs}, args.rounds)
    found = {"rows": args.rows, **found}
    text = json.dumps(found) if args.json else "\n".join(f"{key}: {value}" for key, value in found.items())
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
