"""Standard output belongs to the protocol, whatever a library prints."""

from __future__ import annotations

import sys
from pathlib import Path

from port_worker.host import WorkerHost

PEER = Path(__file__).parent.parent / "peers" / "noisy_worker.py"
NOISES = ("python prints", "c prints", "descriptor 1 takes", "a child prints")


def test_prints_from_python_c_and_a_child_disturb_no_frame(trained_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    with (
        log.open("wb") as stderr,
        WorkerHost.start([sys.executable, str(PEER), "--home", str(trained_home)], stderr=stderr) as worker,
    ):
        for _ in range(20):
            assert worker.call("recommend", {"user": "nobody", "n": 3}, timeout=10)["source"] == "popular"
        assert worker.call("ping", timeout=10) == "pong"
    said = log.read_text()
    for noise in NOISES:
        assert f"{noise} before serving" in said
        assert said.count(f"{noise} while serving") >= 20
