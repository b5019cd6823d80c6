"""What the defaults of each algorithm are worth on the fixture's world, by the evaluation that the gate uses.

    python -m tests.training.presets [--json] [ALGORITHM ...]

Of each user the last item is held out. A line an algorithm: NDCG@10, recall@10, coverage, seconds to fit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from port_worker.evaluation.policy import GatePolicy
from port_worker.fixture.database import write_world
from port_worker.sources.definition import SourceDefinition
from port_worker.training.catalogue import ALGORITHMS, validate
from port_worker.training.course import Course
from port_worker.training.errors import TrainingError
from port_worker.training.messages import Job
from port_worker.training.progress import Reporter


def main() -> None:
    """Train and evaluate them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", default=[*ALGORITHMS], help="default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="port-worker-presets-") as folder:
        write_world(Path(folder) / "world.sqlite")
        for name in args.algorithms:
            show(Path(folder), name, as_json=args.json)


def show(folder: Path, name: str, *, as_json: bool) -> None:
    """Print the line of one, or why there is none."""
    try:
        with redirect_stdout(sys.stderr):  # where LibRecommender prints
            line = measured(folder, name)
    except TrainingError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return
    columns = "{algorithm:18} {ndcg:8.4f} {recall:8.4f} {coverage:8.4f} {seconds:7.1f} s"
    sys.stdout.write(f"{json.dumps(line) if as_json else columns.format_map(line)}\n")
    sys.stdout.flush()


def measured(folder: Path, name: str) -> dict[str, str | float]:
    """The figures of one, and of popularity."""
    job = Job(
        source=SourceDefinition(f"sqlite:{folder / 'world.sqlite'}"),
        store=str(folder / "models"),
        algorithm=name,
        params=validate(name, {}),
        activate="never",
        gate=GatePolicy(final_fit=False),
    )
    began = time.monotonic()
    done = Course(job, Reporter(lambda _progress: None)).run()
    assert done.evaluation is not None
    figures = done.evaluation["candidate"]
    return {
        "algorithm": name,
        "ndcg": round(figures["ndcg"], 4),
        "recall": round(figures["recall"], 4),
        "coverage": round(figures["coverage"], 4),
        "popularity_ndcg": round(done.evaluation["popularity"]["ndcg"], 4),
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    main()
