"""What a publisher leaves behind when it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.store.models import ModelStore

REPOSITORY = Path(__file__).resolve().parents[2]
STAGE_AND_WAIT = """
import sys
from pathlib import Path
from port_worker.store.models import ModelStore
with ModelStore(Path(sys.argv[1])).stage() as staging:
    (staging.path / "half.npy").write_bytes(b"half")
    print(staging.path.name, flush=True)
    sys.stdin.read()
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"}


def killed(folder: Path, change: str) -> dict[str, Any]:
    """What `killed_publisher.py` found out about a change that was cut off anywhere."""
    program = Path(__file__).with_name("killed_publisher.py")
    done = subprocess.run(
        [sys.executable, program, folder, change], env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("change", "new"), [("publish", "new"), ("roll_back", "1")])
def test_killed_at_any_line_it_leaves_the_old_version_or_the_whole_new_one(
    tmp_path: Path, change: str, new: str
) -> None:
    found = killed(tmp_path, change)
    switch = found["outcomes"].index(new)
    assert len(found["outcomes"]) > 60
    assert set(found["outcomes"][:switch]) == {"2"}
    assert set(found["outcomes"][switch:]) == {new}
    assert 0 < found["swept"] <= len(found["outcomes"])


def test_killed_while_it_prunes_it_leaves_whole_versions_and_the_active_one(tmp_path: Path) -> None:
    """Of four, the oldest may go: the newest is kept, the third active, the second what is rolled back to."""
    found = killed(tmp_path, "prune")
    assert len(found["outcomes"]) > 60
    assert set(found["outcomes"]) == {"2"}
    assert found["counts"] == sorted(found["counts"], reverse=True)
    assert set(found["counts"]) == {4, 3}
    assert 0 < found["swept"] <= len(found["outcomes"])


def test_only_the_dead_are_swept(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", STAGE_AND_WAIT, tmp_path],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as maker:
        assert maker.stdout is not None
        name = maker.stdout.readline().strip()
        assert store.sweep_staging() == []
        assert (tmp_path / name / "half.npy").exists()
        maker.kill()
    assert store.sweep_staging() == [name]
    assert list(tmp_path.iterdir()) == []
