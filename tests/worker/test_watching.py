"""What one process activates, the others follow: by the clock, once, and never into a damaged version."""

from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.host import WorkerHost
from port_worker.service import Service
from port_worker.store.models import ModelStore
from port_worker.watching import Watch
from protocol.messages import Event, Message, plain
from tests.worker.clock import Clock
from tests.worker.conftest import Start
from tests.worker.two_versions import ask, publish, started, work


def events(sent: list[Message]) -> list[tuple[str, str]]:
    """Kinds, and the versions that they are about."""
    told = [(one.kind, plain(one.facts)) for one in sent if isinstance(one, Event)]
    return [(kind, facts.get("version") or facts["details"]["version"]) for kind, facts in told]


def serving(service: Service, sent: list[Message]) -> str:
    version: str = ask(service, sent, "recommend", {"user": 1})["model"]
    return version


def test_it_looks_when_the_time_has_come_and_tells_each_change_once(
    store: ModelStore, versions: list[str], clock: Clock
) -> None:
    watch = Watch(store, 5.0, clock)
    assert watch.looks_at == 105.0
    assert watch.look(versions[1]) is None
    store.activate(versions[0])
    clock.now = 105.0
    assert watch.look(versions[1]) == versions[0]
    assert watch.looks_at == 110.0
    assert watch.look(versions[1]) is None
    store.activate(versions[1])
    assert watch.look(versions[1]) is None


def test_zero_seconds_are_never(store: ModelStore, clock: Clock) -> None:
    assert Watch(store, 0.0, clock).looks_at == float("inf")


def test_what_another_has_activated_serves_after_the_next_look(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore, clock: Clock
) -> None:
    assert service.wakes_at == 105.0
    ModelStore(store.root).activate(versions[0])
    assert serving(service, sent) == versions[1]
    clock.now = 105.0
    work(service)
    assert events(sent) == [("model_activated", versions[0])]
    assert serving(service, sent) == versions[0]
    assert service.wakes_at == 110.0
    assert store.previous() == versions[1]


def test_what_it_has_activated_itself_is_no_news(
    service: Service, sent: list[Message], versions: list[str], clock: Clock
) -> None:
    ask(service, sent, "rollback")
    clock.now += 50.0
    work(service)
    assert events(sent) == [("model_activated", versions[0])]


def test_a_first_version_is_followed_too(tmp_path: Path, store: ModelStore, sent: list[Message], clock: Clock) -> None:
    service = started(tmp_path, sent, clock)
    version = publish(store, 1.0)
    store.activate(version)
    clock.now += 5.0
    work(service)
    assert serving(service, sent) == version


@pytest.mark.parametrize("way", ["a changed file", "no such version"])
def test_what_cannot_be_followed_is_said_once_and_the_old_one_stays(
    service: Service,
    sent: list[Message],
    versions: list[str],
    store: ModelStore,
    clock: Clock,
    capfd: pytest.CaptureFixture[str],
    way: str,
) -> None:
    store.activate(versions[0])
    if way == "a changed file":
        path = store.folder(versions[0]) / "item_vectors.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    else:
        store.folder(versions[0]).rename(store.root / "elsewhere")
    for _ in range(3):
        clock.now += 5.0
        work(service)
    assert events(sent) == [("model_damaged", versions[0])]
    assert versions[0] in capfd.readouterr().err
    assert serving(service, sent) == versions[1]


def test_of_a_disk_that_fails_only_the_log_hears(
    service: Service,
    sent: list[Message],
    versions: list[str],
    store: ModelStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failing(_store: ModelStore, _version: str) -> None:
        raise OSError(5, "Input/output error")

    store.activate(versions[0])
    monkeypatch.setattr(ModelStore, "hold", failing)
    clock.now += 5.0
    work(service)
    assert sent == []
    assert "found: Input/output error" in capfd.readouterr().err
    assert serving(service, sent) == versions[1]


def test_a_worker_that_drains_looks_no_more(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore, clock: Clock
) -> None:
    ask(service, sent, "drain")
    sent.clear()
    store.activate(versions[0])
    clock.now += 50.0
    work(service)
    assert service.wakes_at == float("inf")
    assert sent == []


def next_event(worker: WorkerHost) -> tuple[str, str]:
    while True:
        for message in worker.poll(30.0):
            if isinstance(message, Event):
                return message.kind, message.facts["version"]


def test_two_workers_on_one_store_serve_what_either_has_activated(
    start: Start, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT_WORKER_WATCH_SECONDS", "0.05")
    one, other = start(own_home), start(own_home)
    listed = one.call("models", timeout=20)
    [old] = [each["version"] for each in listed["versions"] if not each["active"]]
    assert one.call("activate", {"version": old}, timeout=20)["previous"] == listed["active"]
    assert next_event(other) == ("model_activated", old)
    assert other.call("recommend", {"user": "x"}, timeout=20)["model"] == old
    assert other.call("rollback", timeout=20)["version"] == listed["active"]
    assert [next_event(one), next_event(one)] == [("model_activated", old), ("model_activated", listed["active"])]
    assert one.call("recommend", {"user": "x"}, timeout=20)["model"] == listed["active"]
