"""What pip is doing, in one line that is rewritten on a terminal, and in a line now and then elsewhere."""

from __future__ import annotations

import re
import threading
import time
from types import TracebackType
from typing import TextIO

FOUND = re.compile(r"\s*(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)")
DOWNLOADING = re.compile(r"\s*Downloading ([A-Za-z0-9_.]+?)-\S+ \((.+)\)")
BUILDING = re.compile(r"\s*Building wheel for (\S+) .*: started")
WIDTH = 78
REFRESH_SECONDS = 0.5
FOUND_PER_LINE = 20


def count_requirements(lock: str) -> int:
    """How many requirements a lock's text has, for all systems together."""
    return len(re.findall(r"(?m)^\S+==", lock))


class Progress:
    """One step's progress on `stream`. Feed it pip's lines; leave it to close the step with its time."""

    def __init__(self, stream: TextIO, label: str, total: int = 0) -> None:
        self.outcome = "done"
        self._stream = stream
        self._label = label
        self._total = total
        self._found = 0
        self._doing = ""
        self._live = stream.isatty()
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def feed(self, line: str) -> None:
        """Take note of a line of pip's output."""
        if line.startswith("Ignoring "):  # a requirement of another system or Python
            self._total -= 1
        elif match := FOUND.match(line):
            self._found += 1
            self._now(f"{self._found} of {self._total}: {match[1]}", loud=self._found % FOUND_PER_LINE == 0)
        elif match := DOWNLOADING.match(line):
            self._now(f"{self._found} of {self._total}: downloading {match[1]}, {match[2]}", loud="MB" in match[2])
        elif match := BUILDING.match(line):
            self._now(f"building {match[1]}", loud=True)
        elif line.startswith("Installing collected packages:"):
            self._now(f"installing {line.count(',') + 1} packages", loud=True)

    def __enter__(self) -> Progress:
        if self._live:
            self._ticker.start()
        else:
            self._write(f"{self._label} ...\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._live:
            self._ticker.join()
        outcome = self.outcome if kind is None else "failed"
        self._write(f"{self._rewind()}{self._label}: {outcome}, {self._seconds()} s\n")

    def _now(self, doing: str, *, loud: bool) -> None:
        """Show what is going on: at the next tick of a terminal; elsewhere only what is loud."""
        self._doing = doing
        if loud and not self._live:
            self._write(f"{self._label}: {doing}\n")

    def _tick(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            line = f"{self._label}: {self._seconds()} s  {self._doing}"
            self._write(f"{self._rewind()}{line[:WIDTH]}")

    def _rewind(self) -> str:
        return f"\r{' ' * WIDTH}\r" if self._live else ""

    def _seconds(self) -> int:
        return round(time.monotonic() - self._started)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
