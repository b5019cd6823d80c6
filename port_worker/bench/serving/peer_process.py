"""A peer's process: started once, asked in turn with the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from port_worker.bench.serving.pipe import NoAnswerError

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
"""All alike: a worker has one thread, and so has each process of LibRecommender's own server."""

_END_S = 10.0


class PeerProcess:
    """The program of one peer; a context manager that ends it. `missing` says what it lacks, if anything."""

    def __init__(self, name: str, module: str = "port_worker.bench.serving.peers") -> None:
        self.name = name
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  what its libraries print; closed with this object
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | _ONE_THREAD,
            start_new_session=True,
        )
        try:
            self.missing: str | None = self._read()["missing"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, folder: Path) -> None:
        """Take the vectors of a version."""
        self._ask({"do": "open", "folder": str(folder)})

    def times(self, batches: Sequence[Sequence[int]]) -> list[float]:
        """Milliseconds of each batch of users."""
        found: list[float] = self._ask({"do": "time", "batches": [list(batch) for batch in batches]})["ms"]
        return found

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """The item rows that each user gets, asked for together."""
        found: list[list[int]] = self._ask({"do": "rank", "rows": list(rows)})["items"]
        return found

    def close(self) -> None:
        """End it: its stdin ends, and if it does not go it is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NoAnswerError(f"{self.name} ended with status {self._process.wait()}: {self._last_words()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
