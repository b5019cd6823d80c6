"""One extraction in a process of its own, which tells how long it took, imports left out, and how much memory.

Run as `python -m port_worker.bench.sources.extract WAY`, with the address in PORT_WORKER_BENCH_LOCATION.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from port_worker.bench.serving.memory import peak, resident

OURS, PANDAS, FETCHALL = "the source", "pandas.read_sql", "psycopg2 fetchall"
_LOCATION = "PORT_WORKER_BENCH_LOCATION"
_QUERY = "SELECT user_id, item_id, weight, extract(epoch FROM time)::bigint AS time FROM interactions"


@dataclass(frozen=True)
class Extracted:
    """What one way took: rows that were read, and of ours those that were kept; bytes of memory.

    `columns_bytes` is what the result itself takes, 0 where it is no columns; `peak_bytes` None where the system does
    not tell; `idle_bytes` what the process held before.
    """

    rows: int
    kept: int
    seconds: float
    peak_bytes: int | None
    idle_bytes: int
    columns_bytes: int

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds


def extract(way: str, location: str) -> Extracted:
    """Extract in a process of its own. Raises RuntimeError with what it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "port_worker.bench.sources.extract", way],
        env=os.environ | {_LOCATION: location},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"{way}: {ran.stderr.strip().splitlines()[-1]}")
    return Extracted(**json.loads(ran.stdout))


def _ours(location: str) -> Callable[[], tuple[int, int, int]]:
    import numpy as np
    import pyarrow  # noqa: F401  so that its start is in no measurement

    from port_worker.sources.definition import SourceDefinition
    from port_worker.sources.registry import open_source

    read = [0]
    source = open_source(SourceDefinition(location))

    def run() -> tuple[int, int, int]:
        found = source.interactions(lambda rows: read.__setitem__(0, rows))
        columns: list[np.ndarray[Any, Any]] = [found.weights, found.times]
        columns += [found.users.codes, found.users.ids, found.items.codes, found.items.ids]
        return read[0], len(found), sum(column.nbytes for column in columns)

    return run


def _pandas(location: str) -> Callable[[], tuple[int, int, int]]:
    import pandas as pd
    import psycopg2

    warnings.simplefilter("ignore")  # that a connection is none of SQLAlchemy's

    def run() -> tuple[int, int, int]:
        frame = pd.read_sql(_QUERY, psycopg2.connect(location))
        return len(frame), len(frame), 0

    return run


def _fetchall(location: str) -> Callable[[], tuple[int, int, int]]:
    import psycopg2

    def run() -> tuple[int, int, int]:
        with psycopg2.connect(location) as connection, connection.cursor() as cursor:
            cursor.execute(_QUERY)
            rows = len(cursor.fetchall())
        return rows, rows, 0

    return run


WAYS: dict[str, Callable[[str], Callable[[], tuple[int, int, int]]]] = {
    OURS: _ours, PANDAS: _pandas, FETCHALL: _fetchall
}  # fmt: skip


def main(way: str) -> None:
    """Measure, and write the result to stdout."""
    run = WAYS[way](os.environ[_LOCATION])
    idle = resident(os.getpid())
    started = time.perf_counter()
    rows, kept, columns = run()
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps(asdict(Extracted(rows, kept, seconds, peak(os.getpid()), idle, columns))))
    sys.stdout.flush()
    os._exit(0)  # millions of tuples are not taken apart one by one


if __name__ == "__main__":
    main(sys.argv[1])
