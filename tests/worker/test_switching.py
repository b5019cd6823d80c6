"""`activate` and `rollback` in a service without pipes: slices, the old model's end, what carries over, refusals."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.active_model import ActiveModel
from port_worker.retraining import Retraining
from port_worker.service import Service
from port_worker.serving.int8_product import Int8Product
from port_worker.serving.screening import ScreenedRanking
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.locking import changing
from port_worker.store.models import ModelStore
from protocol.messages import Call, Cancel, ErrorReply, Event, Message, Ok, plain, to_payload
from tests.models import catalogue_arrays, publish_embedding
from tests.worker.clock import Clock
from tests.worker.two_versions import ask, publish, started, tell, work


def answer_bytes(service: Service, sent: list[Message]) -> list[bytes]:
    """What is answered about everything that can be asked, as it goes on the wire."""
    asked: Sequence[tuple[int, str, dict[str, Any]]] = (
        (1, "recommend", {"user": 1, "n": 40}),
        (2, "recommend", {"user": b"nobody"}),
        (3, "recommend_many", {"users": [1, 2, 3], "n": 5}),
        (4, "similar", {"item": 3}),
        (5, "score", {"user": 2, "items": [1, 2, 3]}),
        (6, "explain", {"user": 1, "item": 5}),
    )
    tell(service, *asked)
    work(service)
    answers = sorted((one for one in sent if isinstance(one, Ok)), key=lambda one: one.id)
    assert [one.id for one in answers] == [1, 2, 3, 4, 5, 6]
    sent.clear()
    return [to_payload(one) for one in answers]


def test_a_rollback_answers_byte_for_byte_as_before(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore
) -> None:
    new = answer_bytes(service, sent)
    assert ask(service, sent, "rollback") == {"version": versions[0], "algorithm": "ALS", "previous": versions[1]}
    [event] = sent
    assert isinstance(event, Event)
    assert (event.kind, plain(event.facts)["version"]) == ("model_activated", versions[0])
    sent.clear()
    assert store.active() == versions[0]
    old = answer_bytes(service, sent)
    assert all(versions[0].encode() in one and one != other for one, other in zip(old, new, strict=True))
    ask(service, sent, "activate", {"version": versions[1]})
    sent.clear()
    assert answer_bytes(service, sent) == new
    ask(service, sent, "rollback")
    sent.clear()
    assert answer_bytes(service, sent) == old


def test_calls_between_its_slices_are_answered_by_the_old_version_and_later_ones_by_the_new(
    service: Service, sent: list[Message], versions: list[str]
) -> None:
    tell(service, (1, "activate", {"version": versions[0]}))
    call_id = 2
    while not any(isinstance(one, Ok) and one.id == 1 for one in sent):
        tell(service, (call_id, "recommend", {"user": 1, "n": 1}))
        service.step()
        call_id += 1
    tell(service, (call_id, "recommend", {"user": 1, "n": 1}))
    work(service)
    answered = [plain(one.result)["model"] for one in sent if isinstance(one, Ok) and one.id > 1]
    assert answered == [versions[1]] * (call_id - 2) + [versions[0]]
    kinds = [type(one) for one in sent if isinstance(one, Event) or getattr(one, "id", 0) == 1]
    assert kinds == [Event, Ok]


def test_the_old_model_is_released(service: Service, sent: list[Message], versions: list[str]) -> None:
    old = weakref.ref(service._model.serving.recommender)
    vectors = weakref.ref(service._model.serving.recommender.catalogue)
    gc.disable()
    try:
        ask(service, sent, "rollback")
        assert old() is None
        assert vectors() is None
    finally:
        gc.enable()


def test_what_of_the_old_model_is_in_a_cycle_is_released_after_the_swap(
    service: Service, sent: list[Message], versions: list[str]
) -> None:
    in_a_cycle: dict[str, Any] = {"recommender": service._model.serving.recommender}
    in_a_cycle["cycle"] = in_a_cycle
    old = weakref.ref(service._model.serving.recommender)
    del in_a_cycle
    gc.disable()
    try:
        ask(service, sent, "rollback")
        assert old() is None
    finally:
        gc.enable()


def large(store: ModelStore, seed: int) -> str:
    """A version whose items are held in 8 bits, too."""
    items = np.random.default_rng(seed).standard_normal((25_000, 64), dtype=np.float32)
    catalogue = catalogue_arrays([1], range(len(items)), popularity=range(len(items)))
    return publish_embedding(store, catalogue, EmbeddingArrays(np.ones((1, 64), np.float32), items), folds=False)


def screens() -> list[Int8Product | ScreenedRanking]:
    """All that there are in this process."""
    gc.unfreeze()
    found = [each for each in gc.get_objects() if isinstance(each, Int8Product | ScreenedRanking)]
    gc.freeze()
    return found


def test_what_the_old_model_holds_for_itself_is_released(
    tmp_path: Path, store: ModelStore, sent: list[Message], clock: Clock
) -> None:
    versions = [large(store, seed) for seed in (1, 2)]
    for version in versions:
        store.activate(version)
    others = {id(each) for each in screens()}
    service = started(tmp_path, sent, clock)
    ask(service, sent, "recommend", {"user": 1})
    old = [weakref.ref(each) for each in screens() if id(each) not in others]
    assert len(old) == 2
    tell(service, (1, "rollback", {}))
    while not any(isinstance(one, Ok) for one in sent):
        service.step()
    assert [each() for each in old] == [None, None]  # without a collection, by the end of the swap


def test_what_was_fed_and_hidden_holds_for_the_other_version(
    service: Service, sent: list[Message], versions: list[str]
) -> None:
    ask(service, sent, "feedback", {"user": b"new", "item": 39})
    ask(service, sent, "hide_items", {"items": [38]})
    ask(service, sent, "rollback")
    answered = ask(service, sent, "recommend", {"user": b"new", "n": 40})
    ids = [item for item, _score in answered["items"]]
    assert (answered["model"], answered["source"]) == (versions[0], "fold_in")
    assert len(ids) == 38
    assert not {38, 39} & set(ids)
    assert ask(service, sent, "status")["feedback_rows"] == 1


@pytest.mark.parametrize("version", [b"20240101T000000Z-als-000000", b"../models", b"ACTIVE"])
def test_a_version_that_is_not_there_is_refused(service: Service, sent: list[Message], version: bytes) -> None:
    refused = ask(service, sent, "activate", {"version": version})
    assert (refused.code, refused.retryable) == ("unknown_version", False)
    assert refused.details["field"] == "version"


def test_without_one_before_there_is_nothing_to_roll_back_to(
    tmp_path: Path, store: ModelStore, sent: list[Message], clock: Clock
) -> None:
    store.activate(publish(store, 1.0))
    service = started(tmp_path, sent, clock)
    assert ask(service, sent, "rollback").code == "no_previous_version"


def test_a_worker_without_a_model_gets_one(
    tmp_path: Path, store: ModelStore, sent: list[Message], clock: Clock
) -> None:
    service = started(tmp_path, sent, clock)
    assert ask(service, sent, "rollback").code == "no_previous_version"
    version = publish(store, 1.0)
    assert ask(service, sent, "activate", {"version": version})["previous"] is None
    assert ask(service, sent, "recommend", {"user": 1})["model"] == version


def test_a_damaged_version_is_refused_and_the_old_one_stays(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore
) -> None:
    path = store.folder(versions[0]) / "item_vectors.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for op, args in (("activate", {"version": versions[0].encode()}), ("rollback", {})):
        refused = ask(service, sent, op, args)
        assert (refused.code, refused.details["version"]) == ("model_damaged", versions[0])
    assert store.active() == versions[1]
    assert ask(service, sent, "recommend", {"user": 1})["model"] == versions[1]
    assert sent == []


def test_a_second_swap_is_refused_while_one_runs(service: Service, sent: list[Message], versions: list[str]) -> None:
    tell(service, (1, "activate", {"version": versions[0]}), (2, "rollback", {}))
    work(service)
    [refused] = [one for one in sent if isinstance(one, ErrorReply)]
    assert (refused.id, refused.code, refused.retryable) == (2, "swap_in_progress", True)
    assert [one.id for one in sent if isinstance(one, Ok)] == [1]


def test_while_a_trained_model_is_loaded_no_other_is(
    service: Service, sent: list[Message], versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retraining, "swapping", True)
    tell(service, (1, "rollback", {}))
    service.step()
    assert [(one.id, one.code) for one in sent if isinstance(one, ErrorReply)] == [(1, "swap_in_progress")]


def test_a_trained_model_waits_for_the_end_of_another_swap(
    service: Service, sent: list[Message], versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slices: list[int] = []
    tell(service, (1, "rollback", {}))
    service.step()
    monkeypatch.setattr(Retraining, "swapping", True)
    monkeypatch.setattr(Retraining, "step", lambda _retraining: slices.append(len(sent)))
    while not sent:
        service.step()
    assert slices == []
    service.step()
    assert slices == [2]  # the event and the answer


def test_a_cancelled_swap_changes_nothing(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore
) -> None:
    for slices in range(1, 6):
        tell(service, (slices, "activate", {"version": versions[0]}))
        for _ in range(slices):
            service.step()
        service.receive(to_payload(Cancel(slices)))
        work(service)
    assert [(one.id, one.code) for one in sent if isinstance(one, ErrorReply)] == [
        (slices, "cancelled") for slices in range(1, 6)
    ]
    assert store.active() == versions[1]
    assert ask(service, sent, "recommend", {"user": 1})["model"] == versions[1]
    assert store.prune(1) == []
    assert ask(service, sent, "rollback")["version"] == versions[0]


def test_a_deadline_ends_a_swap(service: Service, sent: list[Message], versions: list[str], clock: Clock) -> None:
    service.receive(to_payload(Call(1, "rollback", {}, 50)))
    service.step()
    clock.now += 0.051
    work(service)
    assert [(one.id, one.code) for one in sent if isinstance(one, ErrorReply)] == [(1, "deadline_exceeded")]


def test_a_store_that_another_process_keeps_to_itself_is_waited_for_while_calls_are_answered(
    service: Service, sent: list[Message], versions: list[str], store: ModelStore, clock: Clock
) -> None:
    with changing(store.root):
        tell(service, (1, "rollback", {}))
        for call_id in range(2, 60):
            tell(service, (call_id, "ping", {}))
            service.step()
        service.step()  # the rollback took one of them
        assert [one.id for one in sent if isinstance(one, Ok)] == list(range(2, 60))
        clock.now += 20.0
        work(service)
        [refused] = [one for one in sent if isinstance(one, ErrorReply)]
        assert (refused.code, refused.retryable) == ("store_unavailable", True)
    assert store.active() == versions[1]
    assert ask(service, sent, "rollback")["version"] == versions[0]


def test_a_store_that_cannot_be_written_is_said_so(
    service: Service, sent: list[Message], versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("port_worker.store.durable.write_file", full)
    refused = ask(service, sent, "rollback")
    assert (refused.code, refused.details["got"]) == ("store_unavailable", "No space left on device")


def test_a_defect_in_a_swap_costs_its_caller_only(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> Any:
        yield
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(ActiveModel, "swap_back", broken)
        assert ask(service, sent, "rollback").code == "internal"
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err
    assert "version" in ask(service, sent, "rollback")


def test_old_versions_go_after_an_activation(
    tmp_path: Path, store: ModelStore, sent: list[Message], clock: Clock, versions: list[str]
) -> None:
    service = started(tmp_path, sent, clock, PORT_WORKER_KEEP_VERSIONS="1")
    newest = publish(store, 3.0)
    ask(service, sent, "activate", {"version": newest})
    assert {stored.version for stored in store.versions()} == {versions[1], newest} | {max(*versions, newest)}
    assert not list(store.root.glob(".staging-*"))


def test_that_old_versions_cannot_go_is_said_in_the_log(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stuck(_store: ModelStore, _keep: int) -> Any:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(ModelStore, "pruning", stuck)
    assert "version" in ask(service, sent, "rollback")
    assert "old model versions stay: [Errno 13] Permission denied" in capfd.readouterr().err
