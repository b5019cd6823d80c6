"""Writing a log back into its database beside the loop.

A checkpoint flushes two files: 15 to 40 ms on an ordinary disk, in which the loop would answer nobody. A thread does
it, on a connection of its own; it is inside SQLite, without the interpreter's lock, all that time. A commit meanwhile
goes on. Under writing that never pauses, a log that is written to again before it was read through cannot start anew:
then, every `live_file.MAX_WAL_PAGES`, one commit does the rest itself, which is that flush and little more.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading

from port_worker.store.errors import FeedbackUnavailable
from port_worker.store.live_file import LiveFile

EVERY_PAGES = 1000
"""Pages (4 KiB) written, about, between two checkpoints."""


class Checkpoints:
    """When to write back, and the thread that does, of which there is one at most."""

    def __init__(self, file: LiveFile) -> None:
        self._file = file
        self._pages = 0
        self._thread: threading.Thread | None = None

    def wrote(self, rows: int) -> None:
        """Count a commit of `rows` rows, and start a checkpoint when enough was written since the last."""
        self._pages += (
            3 + rows // 8
        )  # a row's place in its table is next to the last one's, in the index it is anywhere
        if self._pages >= EVERY_PAGES and not (self._thread and self._thread.is_alive()):
            self._pages = 0
            self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until none is running."""
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        # What is wrong with the file shows in the next call that reads or writes it, where somebody can be told.
        with contextlib.suppress(sqlite3.Error, FeedbackUnavailable):
            connection = self._file.open()
            if connection:
                with contextlib.closing(connection):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
