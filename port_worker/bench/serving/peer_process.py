"""A peer's process: started once, asked in turn with the others."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from port_worker.bench.serving.child import Child
from port_worker.bench.serving.pipe import NoAnswerError


class PeerProcess:
    """The program of one peer; a context manager that ends it. `missing` says what it lacks, if anything."""

    def __init__(self, name: str, module: str = "port_worker.bench.serving.peers") -> None:
        self.name = name
        self._child = Child([sys.executable, "-m", module, name])
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
        self._child.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        self._child.stdin.write(json.dumps(command).encode() + b"\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._child.stdout.readline()
        if not line:
            raise NoAnswerError(f"{self.name} {self._child.end()}")
        found: dict[str, Any] = json.loads(line)
        return found
