"""A trainer never outlives its worker, with `prctl` and without."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from port_worker.training import lifeline
from tests.training.processes import ends_within, gone

ROOT = Path(__file__).parents[2]
LIMIT_S = 2.0


@pytest.mark.parametrize("kind", ["waits", "without-prctl-waits"])
def test_the_trainer_ends_when_its_worker_is_killed(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.peers.trainer_s_worker", kind, str(tmp_path / "training.log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert select.select([worker.stdout], [], [], 30)[0]
        trainer = int(worker.stdout.readline())
        assert not gone(trainer)
        worker.kill()
        assert ends_within(LIMIT_S, trainer)


def test_without_prctl_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPrctl:
        """A C library that has none, as macOS's."""

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: NoPrctl())
    assert lifeline.die_with_parent() is False


def test_the_first_line_is_put_together_from_pieces() -> None:
    incoming, outgoing = os.pipe()
    for piece in (b"one", b" line", b"\n"):
        os.write(outgoing, piece)
    assert lifeline.read_line(incoming) == b"one line\n"
    os.write(outgoing, b"half a li")
    os.close(outgoing)
    with pytest.raises(lifeline.ParentGoneError):
        lifeline.read_line(incoming)
    os.close(incoming)
