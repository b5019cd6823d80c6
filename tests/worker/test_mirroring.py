"""Workers that share no folder but a store at a URL, each with a mirror beside it, as processes."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from port_worker.host import WorkerError, WorkerHost
from port_worker.mirroring.messages import Look, Outcome, Publish, Pull, Setup, decode, encode
from port_worker.mirroring.process import Mirroring
from port_worker.serving.steps import Steps, finish
from port_worker.store.errors import StoreUnavailable, UnknownVersion
from port_worker.store.models import ModelStore
from protocol.messages import Event, Message, Ok
from tests.worker.clock import Clock
from tests.worker.conftest import Start, seconds_burnt
from tests.worker.two_versions import ask, publish, started, tell, two_activated, work


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
    for milliseconds in range(1, 500, 40):  # later and later in its course
        if ended_within(mirroring.look(30.0), milliseconds / 1000):
            break
        assert mirroring._process is not None
        mirroring._process.kill()
        mirroring._process.wait()
        cache.sweep_staging()
        active = cache.active()
        assert active in (None, versions[1])
        assert all(stored.damaged is None for stored in cache.versions())
        assert not list(cache.root.glob(".staging-*"))
    finish(mirroring.look(30.0))
    assert cache.active() == versions[1]
    list(cache.verify(versions[1]))


def ended_within(request: Steps[None], seconds: float) -> bool:
    """Whether a request had its answer by then; else it is given up."""
    until = time.monotonic() + seconds
    for _step in request:
        if time.monotonic() >= until:
            request.close()
            return False
        time.sleep(0.001)
    return True


_SLOW = """
import json, sys, time
sys.stdin.readline()
for line in sys.stdin:
    time.sleep(0.3)
    outcome = {"kind": "Outcome", "number": json.loads(line)["number"]}
    sys.stdout.write(json.dumps(outcome) + chr(10))  # in one piece
    sys.stdout.flush()
"""


def slow(tmp_path: Path) -> Mirroring:
    """Each answer takes 0.3 s."""
    return Mirroring(Setup("file:///x", str(tmp_path), 5, 0.0), command=(sys.executable, "-c", _SLOW))


def waits(mirroring: Mirroring) -> tuple[int | None, float]:
    return mirroring.fd, mirroring.until


def test_what_a_request_waits_on_is_readable_when_its_answer_is_there(tmp_path: Path) -> None:
    mirroring = slow(tmp_path)
    assert waits(mirroring) == (None, float("inf"))
    request = mirroring.look(30.0)
    next(request)
    assert mirroring.fd is not None
    assert mirroring.until < time.monotonic() + 30.0
    assert select.select([mirroring.fd], [], [], 0.0)[0] == []
    next(request)  # which waits for nothing
    assert select.select([mirroring.fd], [], [], 30.0)[0] == [mirroring.fd]
    assert list(request) == []
    assert waits(mirroring) == (None, float("inf"))
    request = mirroring.look(30.0)
    next(request)
    request.close()
    assert waits(mirroring) == (None, float("inf"))
    mirroring.close()


def test_a_start_waits_without_burning_a_core(tmp_path: Path) -> None:
    mirroring = slow(tmp_path)
    began, burnt = time.monotonic(), time.process_time()
    mirroring.catch_up(30.0)
    assert time.monotonic() - began >= 0.3
    assert time.process_time() - burnt < 0.1
    with pytest.raises(StoreUnavailable, match=r"an answer within 0\.05 s"):
        mirroring.catch_up(0.05)
    mirroring.close()


def mirror_of(worker: WorkerHost) -> psutil.Process:
    [mirror] = psutil.Process(worker.pid).children()
    return mirror


def test_while_a_swap_waits_for_its_mirror_calls_are_answered_and_no_core_is_burnt(
    start: Start, tmp_path: Path, shared: Path, versions: list[str]
) -> None:
    worker = start(tmp_path / "one")
    assert model(worker) == versions[1]
    mirror = mirror_of(worker)
    mirror.suspend()
    asked = worker.send_call("rollback")
    assert model(worker) == versions[1]
    burnt = seconds_burnt(worker)
    time.sleep(1.0)  # which is ten looks of the watch
    assert seconds_burnt(worker) - burnt < 0.2
    assert model(worker) == versions[1]
    mirror.resume()
    began = time.monotonic()
    while not any(isinstance(one, Ok) and one.id == asked for one in worker.poll(30.0)):
        assert time.monotonic() < began + 30.0
    assert model(worker) == versions[0]


def test_a_swap_that_waits_for_its_mirror_leaves_the_service_at_rest_until_it_speaks(
    tmp_path: Path, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("port_worker.mirroring.process.MIRROR", (sys.executable, "-c", _SLOW))
    sent: list[Message] = []
    clock = Clock()
    service = started(tmp_path / "one", sent, clock, PORT_WORKER_STORE=f"file://{tmp_path}/shared")
    assert service.swap_fd is None
    tell(service, (1, "rollback", {}))
    work(service)
    assert service.swap_fd is not None
    assert sent == []
    clock.now += 9.0
    work(service)
    assert service.wakes_at == 110.0  # when the wait ends; the watch, who looks each 5 s, waits for that
    assert ask(service, sent, "ping") == "pong"
    assert select.select([service.swap_fd], [], [], 30.0)[0]
    work(service)
    assert service.swap_fd is None
    assert [type(one) for one in sent] == [Event, Ok]
    service.close()


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
