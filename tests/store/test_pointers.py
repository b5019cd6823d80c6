"""What was active before what: kept through activations, roll-backs, and the loss of either file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from port_worker.store import locking
from port_worker.store.errors import NoPreviousVersion, StoreUnavailable
from port_worker.store.locking import changing
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore
from port_worker.store.pointers import MOST_REMEMBERED
from tests.worker.clock import Clock

Publish = Callable[[ModelStore], Manifest]


def activated(store: ModelStore, publish: Publish, count: int) -> list[str]:
    versions = [publish(store).version for _ in range(count)]
    for version in versions:
        store.activate(version)
    return versions


def rolled_back(store: ModelStore) -> str:
    version = store.roll_back()
    assert store.active() == version
    return version


def test_rolling_back_goes_through_what_was_active_before(store: ModelStore, publish: Publish) -> None:
    a, b, c = activated(store, publish, 3)
    assert [rolled_back(store), rolled_back(store)] == [b, a]
    with pytest.raises(NoPreviousVersion) as none:
        store.roll_back()
    assert (none.value.code, none.value.details["got"]) == ("no_previous_version", a)
    assert store.active() == a
    store.activate(c)
    assert rolled_back(store) == a


def test_a_version_that_was_active_twice_is_gone_back_to_once_each_time(store: ModelStore, publish: Publish) -> None:
    a, b, c = activated(store, publish, 3)
    for version in (a, c, c):
        store.activate(version)
    assert [rolled_back(store) for _ in range(4)] == [a, c, b, a]


def test_what_is_gone_is_passed_over(store: ModelStore, publish: Publish) -> None:
    a, b, _c = activated(store, publish, 3)
    store.folder(b).rename(store.root / "elsewhere")
    assert rolled_back(store) == a


@pytest.mark.parametrize("history", [None, b"", b"\xff\xfe\n../..\n", b"x" * 100_000])
def test_a_history_that_is_lost_costs_the_way_back_and_nothing_else(
    store: ModelStore, publish: Publish, history: bytes | None
) -> None:
    a, b = activated(store, publish, 2)
    (store.root / "HISTORY").unlink()
    if history is not None:
        (store.root / "HISTORY").write_bytes(history)
    with pytest.raises(NoPreviousVersion):
        store.previous()
    store.activate(a)
    assert rolled_back(store) == b


def test_what_an_activation_wrote_before_it_was_cut_off_counts_for_nothing(store: ModelStore, publish: Publish) -> None:
    a, b, c = activated(store, publish, 3)
    (store.root / "ACTIVE").write_text(f"{b}\n")
    assert store.previous() == a
    store.activate(c)
    assert store.previous() == b


def test_the_history_does_not_grow_for_ever(store: ModelStore, publish: Publish) -> None:
    a, b = activated(store, publish, 2)
    for _ in range(MOST_REMEMBERED):
        store.activate(a)
        store.activate(b)
    assert len((store.root / "HISTORY").read_text().split()) == MOST_REMEMBERED
    assert store.previous() == a


def test_each_activation_has_another_signature(store: ModelStore, publish: Publish) -> None:
    assert store.pointers.signature() is None
    a, _b = activated(store, publish, 2)
    seen = {store.pointers.signature()}
    store.activate(a)
    seen.add(store.pointers.signature())
    store.roll_back()
    seen.add(store.pointers.signature())
    assert len(seen) == 3


def test_who_waits_too_long_for_the_lock_is_told(store: ModelStore, publish: Publish) -> None:
    a, b = activated(store, publish, 2)
    clock = Clock(step=1.0)
    with changing(store.root):
        with pytest.raises(StoreUnavailable, match="another process holds it") as busy:
            store.activate(a, wait_seconds=0.0)
        with pytest.raises(StoreUnavailable), changing(store.root, 5.0, clock, lambda _seconds: None):
            pass
    assert busy.value.code == "store_unavailable"
    assert clock.now == pytest.approx(106.0)
    assert store.active() == b
    store.activate(a, wait_seconds=0.0)


def test_an_activation_in_slices_keeps_nobody_waiting_and_changes_nothing_until_the_last(
    store: ModelStore, publish: Publish
) -> None:
    a, b, c = activated(store, publish, 3)
    steps = store.activating(a, 0.0)
    assert [next(steps), next(steps)] == [None, None]
    assert store.active() == c
    store.activate(b, wait_seconds=0.0)  # another is faster: then its history is gone on with
    list(steps)
    assert [store.active(), rolled_back(store), rolled_back(store)] == [a, b, c]
    steps = store.rolling_back(b, 0.0)
    next(steps)
    steps.close()
    assert store.active() == c
    assert not list(store.root.glob(".staging-*"))


def test_a_held_version_is_the_one_that_has_the_name(store: ModelStore, publish: Publish, tmp_path: Path) -> None:
    version = publish(store).version
    held = store.hold(version)
    with locking.unless_held(store.folder(version)) as free:
        assert not free
    held.release()
    held.release()
    with locking.unless_held(store.folder(version)) as free:
        assert free


ACTIVATE = """
import sys
from pathlib import Path
from port_worker.store.models import ModelStore
store = ModelStore(Path(sys.argv[1]))
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
for turn in range(12):
    store.activate(sys.argv[2 + turn % 2])
"""


def test_two_processes_that_activate_at_once_lose_none_of_it(store: ModelStore, publish: Publish) -> None:
    versions = [publish(store).version for _ in range(4)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ACTIVATE, store.root, *some],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
                )
            )
            for some in (versions[:2], versions[2:])
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.close()
        assert [process.wait(60) for process in processes] == [0, 0]
    history = (store.root / "HISTORY").read_text().split()
    assert [history.count(version) for version in versions] == [6, 6, 6, 6]
    assert history[-1] == store.active()
    assert {path.name for path in store.root.iterdir()} == {*versions, "ACTIVE", "HISTORY"}
