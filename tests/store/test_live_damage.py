"""A file that is busy, full, read-only, of a later format, damaged, removed, or whose writer was killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from port_worker.store import live_file
from port_worker.store.errors import FeedbackUnavailable
from port_worker.store.live import Fed, LiveStore
from tests.worker.clock import Clock

ROOT = Path(__file__).parents[2]

# Tells batch after batch, and says so after each.
TELL = """
import sys
from pathlib import Path
from port_worker.store.live import LiveStore
store = LiveStore(Path(sys.argv[1]))
for batch in range(10**6):
    store.add([batch] * 500, list(range(500)), [1.0] * 500, [batch] * 500)
    store.hide([batch])
    print(batch, flush=True)
"""
# Tells until the file may not grow any more; then says what was refused and what is kept.
FILL = """
import resource, sys
from pathlib import Path
from port_worker.store.errors import FeedbackUnavailable
from port_worker.store.live import LiveStore
store = LiveStore(Path(sys.argv[1]))
store.add(["u"], ["first"], [1.0], [1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
stored = 1
try:
    while True:
        stored = store.add(["u"] * 500, list(range(500)), [1.0] * 500, [2] * 500)
except FeedbackUnavailable as error:
    print(error.code, stored == store.totals().rows == sum(f.weight for f in store.of_users(["u"])["u"]), stored > 1)
"""
# As nobody, whom permissions bind: reads what is there, and is refused when it tells.
READ_ONLY = """
import os, sys
from pathlib import Path
from port_worker.store.errors import FeedbackUnavailable
from port_worker.store.live import LiveStore
from tests.worker.clock import Clock
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.chdir(sys.argv[1])
for name in ("live.sqlite", "none.sqlite"):
    store = LiveStore(Path(name))
    print(store.hidden(), store.of_users(["u"]), list(store.forget_learnt(lambda rows: [False] * len(rows))))
    try:
        store.hide(["more"])
    except FeedbackUnavailable as error:
        print(error.code)
    store.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live.sqlite"


@pytest.fixture
def live(path: Path) -> Iterator[LiveStore]:
    store = LiveStore(path, clock=Clock(step=1.0))
    store.add(["u"], ["i"], [1.0], [1])
    store.hide(["private", 5])
    yield store
    store.close()


def run(code: str, *arguments: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("told", [1, 2, 5, 30])
def test_a_kill_loses_nothing_that_was_told_and_leaves_nothing_half_told(path: Path, told: int) -> None:
    with subprocess.Popen([sys.executable, "-c", TELL, path], env=_environment(), stdout=subprocess.PIPE) as teller:
        assert teller.stdout is not None
        for _ in range(told):
            teller.stdout.readline()
        teller.kill()  # somewhere in the next batch
        said = told + len(teller.stdout.readlines())
    store = LiveStore(path)
    rows, hidden, _ = store.totals()
    assert said * 500 <= rows <= (said + 1) * 500
    assert rows % 500 == 0
    assert said <= hidden <= said + 1
    found = store.of_users(range(said + 2))
    assert [len(found[user]) for user in sorted(found, key=int)] == [500] * (rows // 500)
    assert store.hidden() == list(range(hidden))
    store.close()


def test_a_file_that_another_process_holds_is_read_and_not_written(live: LiveStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FeedbackUnavailable, match="locked") as refused:
            live.add(["u"], ["j"], [1.0], [2])
        assert refused.value.code == "feedback_unavailable"
        assert live.of_users(["u"]) == {"u": [Fed("i", 1.0, 1)]}
        other.execute("ROLLBACK")
    assert live.add(["u"], ["j"], [1.0], [2]) == 2


def test_a_full_disk_refuses_the_batch_and_keeps_the_rest(path: Path) -> None:
    assert run(FILL, path) == ["feedback_unavailable True True"]
    store = LiveStore(path)
    assert store.add(["v"], ["after"], [1.0], [3]) % 500 == 2
    store.close()


def test_a_home_that_cannot_be_written_serves(live: LiveStore, path: Path) -> None:
    live.close()
    folder = path.parent
    path.chmod(0o444)
    folder.chmod(0o555)
    # pytest closes the folder's parents to everybody else.
    with closing(_Opened(folder.parents[0], folder.parents[1], folder.parents[2])):
        lines = run(READ_ONLY, folder)
    folder.chmod(0o755)
    assert lines == [
        "[5, 'private'] {'u': [Fed(item='i', weight=1.0, time=1)]} [0]",
        "feedback_unavailable",
        "[] {} []",
        "feedback_unavailable",
    ]
    assert list(folder.iterdir()) == [path]


class _Opened:
    """Folders that anybody may pass through, until it is closed."""

    def __init__(self, *folders: Path) -> None:
        self._modes = {folder: folder.stat().st_mode for folder in folders if folder.stat().st_uid == os.geteuid()}
        for folder, mode in self._modes.items():
            folder.chmod(mode | 0o111)

    def close(self) -> None:
        for folder, mode in self._modes.items():
            folder.chmod(mode)


def test_a_later_format_is_refused_and_left_alone(live: LiveStore, path: Path) -> None:
    live.close()
    with closing(sqlite3.connect(path)) as later:
        later.execute(f"PRAGMA user_version = {live_file.FORMAT + 1}")
    for call in (live.hidden, lambda: live.hide(["x"])):
        with pytest.raises(FeedbackUnavailable, match="expected format 1, found: format 2"):
            call()
    assert [file.name for file in path.parent.iterdir() if "damaged" in file.name] == []


def test_a_file_that_is_no_database_is_set_aside(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for content in (b"", b"not a database at all" * 500):
        path.write_bytes(content)
        store = LiveStore(path)
        assert store.hidden() == []
        assert store.add(["u"], ["i"], [1.0], [1]) == 1
        store.close()
    assert (path.parent / "live.sqlite.damaged").read_bytes() == b""
    assert (path.parent / "live.sqlite.damaged.1").read_bytes() == b"not a database at all" * 500
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert "set aside as live.sqlite.damaged.1" in said[1]
    assert "not all hidden items were carried over (0)" in said[1]


def test_hidden_items_outlive_damage_to_the_feedback(
    live: LiveStore, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.add(["u"] * 20_000, list(range(20_000)), [1.0] * 20_000, [1] * 20_000)
    live.close()
    _overwrite(path, "feedback", "feedback_by_bucket")
    assert live.of_users(["u"]) == {}
    assert live.hidden() == [5, "private"]
    assert live.totals()[:2] == (0, 2)
    assert live.add(["u"], ["i"], [1.0], [1]) == 1
    assert "all hidden items were carried over (2)" in capfd.readouterr().err


def test_damage_found_by_two_is_repaired_once(live: LiveStore, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = LiveStore(path)
    assert other.totals().rows == 1
    _overwrite(path, "feedback", "feedback_by_bucket")
    live.close()
    other.close()
    assert live.add(["u"], ["j"], [1.0], [2]) == 1
    assert other.of_users(["u"]) == {"u": [Fed("j", 1.0, 2)]}
    other.close()
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_who_holds_a_file_that_was_set_aside_follows_to_the_new_one(live: LiveStore, path: Path) -> None:
    other = LiveStore(path)
    assert other.totals().rows == 1
    live_file.LiveFile(path).replace(live_file.LiveFile(path).identity(), "for the test")
    assert live.add(["v"], ["j"], [1.0], [2]) == 1
    assert other.of_users(["u", "v"]) == {"v": [Fed("j", 1.0, 2)]}  # and lets go of the old file and its log
    assert live.add(["v"], ["k"], [1.0], [3]) == 2
    other.close()
    live.close()
    assert live.of_users(["v"]) == {"v": [Fed("j", 1.0, 2), Fed("k", 1.0, 3)]}
    assert live.hidden() == [5, "private"]


def test_a_file_that_was_removed_is_made_anew(live: LiveStore, path: Path) -> None:
    version = live.totals().hidden_version
    path.unlink()  # its log stays, and must not be taken for the new one's
    assert live.of_users(["u"]) == {}
    assert live.hide(["x"]) == 1
    assert live.hidden() == ["x"]
    assert live.totals().hidden_version > version


def _overwrite(path: Path, *names: str) -> None:
    """Fill the first page of these tables with what is no page."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = [
            connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (n,)).fetchone() for n in names
        ]
    with path.open("r+b") as file:
        for (root,) in roots:
            file.seek((root - 1) * size)
            file.write(b"\xee" * size)
