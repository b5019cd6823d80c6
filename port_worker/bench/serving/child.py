"""A process that the bench starts and ends, and what it said when something went wrong."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO

ONE_THREAD: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
"""All alike: a worker has one thread, and so has each process of LibRecommender's own server."""

_END_S = 10.0


class Child:
    """A process between two pipes, in a session of its own; a context manager that ends it.

    Args:
        argv: its command line.
        env: added to this process's environment, as ONE_THREAD is.
        signalled: it is a server: SIGTERM ends it, not the end of its stdin.

    Raises OSError where it cannot be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, signalled: bool = False) -> None:
        self._signalled = signalled
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  what its libraries print; closed with this object
        try:
            self.process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=self._said if signalled else subprocess.PIPE,
                stderr=self._said,
                env=os.environ | ONE_THREAD | dict(env or {}),
                start_new_session=True,
            )
        except OSError:
            self._said.close()
            raise

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input."""
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output; a server's goes to where its errors go."""
        assert self.process.stdout is not None
        return self.process.stdout

    def close(self) -> None:
        """End it, and kill it if it does not go."""
        self.stdin.close()
        if self._signalled:
            self.process.terminate()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._said.close()

    def end(self) -> str:
        """How it ended, once it has closed its end of a pipe: status and last words."""
        return f"ended with status {self.process.wait()}: {self._last_words()}"

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
