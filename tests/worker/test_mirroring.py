"""Workers that share no folder but a store at a URL, each with a mirror beside it, as processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from port_worker.host import WorkerError, WorkerHost
from port_worker.mirroring.messages import Look, Outcome, Publish, Pull, Setup, decode, encode
from port_worker.mirroring.process import Mirroring
from port_worker.serving.steps import finish
from port_worker.store.errors import StoreUnavailable, UnknownVersion
from port_worker.store.models import ModelStore
from protocol.messages import Event, Message
from tests.worker.clock import Clock
from tests.worker.conftest import Start
from tests.worker.two_versions import publish, started, two_activated, work


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder behind the URL that workers are started with."""
    monkeypatch.setenv("PORT_WORKER_STORE", f"file://{tmp_path}/shared")
    monkeypatch.setenv("PORT_WORKER_WATCH_SECONDS", "0.1")
    return tmp_path / "shared"


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    """Two, in the cache of the first home; the second is active."""
    return two_activated(ModelStore(tmp_path / "one" / "models"))


@pytest.fixture
def mirroring(tmp_path: Path) -> Iterator[Mirroring]:
    """Of the second home."""
    made = Mirroring(Setup(f"file://{tmp_path}/shared", str(tmp_path / "other" / "models"), 5, 0.0))
    yield made
    made.close()


def activated(worker: WorkerHost) -> str:
    while True:
        for message in worker.poll(30.0):
            if isinstance(message, Event) and message.kind == "model_activated":
                return str(message.facts["version"])


def model(worker: WorkerHost) -> str:
    return str(worker.call("recommend", {"user": 1}, timeout=20)["model"])


def test_two_workers_share_a_store_and_no_folder(
    start: Start, tmp_path: Path, shared: Path, versions: list[str]
) -> None:
    old, new = versions
    one = start(tmp_path / "one")
    assert model(one) == new
    other = start(tmp_path / "other")
    assert other.hello["model"]["version"] == new
    assert one.call("rollback", timeout=30) == {"version": old, "algorithm": "ALS", "previous": new}
    assert activated(other) == old
    assert model(other) == old
    third = publish(ModelStore(tmp_path / "other" / "models"), 3.0)
    other.call("activate", {"version": third}, timeout=30)
    assert [activated(one), activated(one)] == [old, third]
    assert model(one) == third
    assert one.call("rollback", timeout=30)["version"] == old
    with pytest.raises(WorkerError) as unknown:
        one.call("activate", {"version": "20240101T000000Z-als-000000"}, timeout=30)
    assert unknown.value.code == "unknown_version"


def test_a_version_that_only_the_store_has_is_fetched_to_be_activated(
    start: Start, tmp_path: Path, shared: Path, versions: list[str]
) -> None:
    start(tmp_path / "one").close()
    other = start(tmp_path / "other")
    third, fourth = (publish(ModelStore(tmp_path / "one" / "models"), slope) for slope in (3.0, 4.0))
    one = start(tmp_path / "one")
    for version in (third, fourth):
        one.call("activate", {"version": version}, timeout=30)
    assert activated(other) in (third, fourth)
    cached = ModelStore(tmp_path / "third" / "models")
    fresh = start(tmp_path / "third")
    assert fresh.hello["model"]["version"] == fourth
    assert not cached.is_whole(versions[0])
    assert fresh.call("activate", {"version": versions[0]}, timeout=30)["previous"] == fourth
    assert model(fresh) == versions[0]


def test_a_store_that_cannot_be_reached_is_said_and_the_cache_serves(
    start: Start,
    tmp_path: Path,
    versions: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "no-folder").write_text("")
    monkeypatch.setenv("PORT_WORKER_STORE", f"file://{tmp_path}/no-folder/models")
    worker = start(tmp_path / "one")
    assert model(worker) == versions[1]
    assert worker.call("rollback", timeout=30)["version"] == versions[0]
    assert model(worker) == versions[0]
    worker.close()
    said = capfd.readouterr().err
    assert "starting with what is cached, and trying again" in said
    assert "is active here, and elsewhere later" in said


def test_what_is_no_store_is_refused_at_the_start(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT_WORKER_STORE", "s3://")
    with pytest.raises(Exception, match="status 2"):
        start(tmp_path / "one")


def test_a_mirror_that_is_killed_in_the_midst_of_it_is_started_again_and_leaves_nothing(
    tmp_path: Path, shared: Path, versions: list[str], mirroring: Mirroring, start: Start
) -> None:
    start(tmp_path / "one").close()
    cache = ModelStore(tmp_path / "other" / "models")
    for steps in range(1, 500, 40):  # later and later in its course
        request = mirroring.look(30.0)
        try:
            for _ in range(steps):
                next(request)
        except StopIteration:
            break
        assert mirroring._process is not None
        os.kill(mirroring._process.pid, signal.SIGKILL)
        with suppress(StoreUnavailable):  # unless it had just answered
            finish(request)
        cache.sweep_staging()
        active = cache.active()
        assert active in (None, versions[1])
        assert all(stored.damaged is None for stored in cache.versions())
        assert not list(cache.root.glob(".staging-*"))
    finish(mirroring.look(30.0))
    assert cache.active() == versions[1]
    list(cache.verify(versions[1]))


def test_errors_come_through_as_what_they_are(shared: Path, mirroring: Mirroring) -> None:
    with pytest.raises(UnknownVersion) as unknown:
        finish(mirroring.pull("20240101T000000Z-als-000000", 30.0))
    assert unknown.value.code == "unknown_version"
    assert unknown.value.details["field"] == "version"


def test_a_mirror_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    now = iter(range(1000))
    silent = (sys.executable, "-c", "import sys; sys.stdin.read()")
    mirroring = Mirroring(Setup("file:///x", str(tmp_path), 5, 0.0), lambda: float(next(now)), silent)
    with pytest.raises(StoreUnavailable, match="an answer within 3 s"):
        finish(mirroring.look(3.0))
    mirroring.close()


def test_a_mirror_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    ending = (sys.executable, "-c", "import sys; sys.stdin.readline()")
    mirroring = Mirroring(Setup("file:///x", str(tmp_path), 5, 0.0), command=ending)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="it has ended"):
            finish(mirroring.look(30.0))
    mirroring.close()


def test_a_mirror_that_cannot_be_started_is_an_error_of_the_store(tmp_path: Path) -> None:
    mirroring = Mirroring(Setup("file:///x", str(tmp_path), 5, 0.0), command=(str(tmp_path / "none"),))
    with pytest.raises(StoreUnavailable, match="a process that mirrors it"):
        finish(mirroring.look(3.0))
    mirroring.tell(["v"])
    mirroring.close()


@pytest.mark.parametrize(
    "message",
    [
        Setup("s3://b/p", "/x", 5, 5.0),
        Look(1),
        Pull(2, "v"),
        Publish(3, ["a", "b"]),
        Outcome(4, "store_unavailable", "m", {"got": "x"}),
    ],
)
def test_a_message_is_what_was_sent(message: Setup | Look | Pull | Publish | Outcome) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"kind": "Look"}', b'{"kind": "Jump"}', b"x"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


def test_a_mirror_that_cannot_be_started_is_said_once(
    tmp_path: Path, versions: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("port_worker.mirroring.process.MIRROR", (str(tmp_path / "none"),))
    sent: list[Message] = []
    clock = Clock()
    service = started(tmp_path / "one", sent, clock, PORT_WORKER_STORE=f"file://{tmp_path}/shared")
    for _ in range(3):
        clock.now += 5.0
        work(service)
    assert sent == []
    said = capfd.readouterr().err
    assert (said.count("and trying again"), said.count("; trying again")) == (1, 1)  # at the start, and by the watch
