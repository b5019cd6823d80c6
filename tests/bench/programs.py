"""The program's own entry, with other workers in place of real ones."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli, prepare
from tests.peers.stubs import ENVIRONMENT, stub_command

SHORT = ("--rate", "100", "--warmup", "0.1", "--duration", "1", "--users", "uniform")


class Bench:
    """Runs the bench on stub workers; `folder` is its home, and has interactions."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.patch = patch
        self.source: tuple[str, ...] = ("--source", str(folder / "rows.csv"))
        self.patch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
        (folder / "rows.csv").write_text("user,item,label,time\nada,m1,1,1\nbob,m2,1,2\n", encoding="utf-8")

    def parse(self, *words: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog="bench")
        cli.configure(parser)
        return parser.parse_args(words)

    def run(self, *words: str, **faults: Any) -> int:
        self.patch.setattr(prepare, "worker_command", lambda *_args, **_options: stub_command(**faults))
        return cli.run(self.parse("--home", str(self.folder), *self.source, *SHORT, *words))

    def report(self, *words: str, **faults: Any) -> tuple[int, dict[str, Any]]:
        """The exit status and the whole report."""
        path = self.folder / "result.json"
        status = self.run("--json", str(path), *words, **faults)
        return status, json.loads(path.read_text(encoding="utf-8"))

    def scenario(self, *words: str, **faults: Any) -> tuple[int, dict[str, Any]]:
        """The exit status and the one scenario of the report."""
        status, report = self.report(*words, **faults)
        (scenario,) = report["scenarios"]
        return status, scenario


class LightBench(Bench):
    """Runs it on real workers, whose trainer needs no LibRecommender, on a home that has a model."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(home, patch)
        self.source = ()

    def run(self, *words: str, **_faults: Any) -> int:
        self.patch.setattr(prepare, "worker_command", light_command)
        return cli.run(self.parse("--home", str(self.folder), *SHORT, *words))


def light_command(
    home: Path | str, _source: str | None = None, *, fixture: bool = False, codec: str = "etf"
) -> list[str]:
    """Of a real worker with a light trainer."""
    assert fixture, "without a source there is the home's world"
    return [sys.executable, "-m", "tests.peers.light_worker", "--home", str(home), "--codec", codec]
