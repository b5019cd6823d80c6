"""The service without I/O: a defect in a room costs one answer each, and the worker goes on."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from port_worker.active_model import ActiveModel
from port_worker.config import settings
from port_worker.retraining import Retraining
from port_worker.service import Service
from port_worker.serving.recommender import Answer, Recommender
from protocol.messages import Call, ErrorReply, Hello, Message, Ok, to_payload


@pytest.fixture
def service(trained_home: Path, sent: list[Message]) -> Service:
    made = Service(settings(home=trained_home, environ={}), sent.append)
    made.open()
    assert isinstance(sent.pop(0), Hello)
    return made


def ask(service: Service, *calls: tuple[int, str, dict[str, Any]]) -> None:
    for call_id, op, args in calls:
        service.receive(to_payload(Call(call_id, op, args)))
    while service.step():
        pass


def broken(*_arguments: object) -> Any:
    raise ZeroDivisionError("a defect")


def test_a_defect_in_serving_costs_its_batch_one_answer_each(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "answer", broken)
        ask(service, (1, "recommend", {"user": "x"}), (2, "recommend", {"user": "y"}), (3, "ping", {}))
    codes = {one.id: one.code for one in sent if isinstance(one, ErrorReply)}
    assert codes == {1: "internal", 2: "internal"}
    assert [one.id for one in sent if isinstance(one, Ok)] == [3]
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err
    sent.clear()
    ask(service, (1, "recommend", {"user": "x"}))
    assert isinstance(sent[0], Ok)


def test_a_score_that_cannot_be_sent_is_an_error_for_its_caller(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    def encoding(message: Message) -> None:
        to_payload(message)
        sent.append(message)

    endless = Answer(np.array([0]), np.array([np.inf], np.float32), "model", 1)
    monkeypatch.setattr(service, "_send", encoding)
    monkeypatch.setattr(Recommender, "answer", lambda _self, asked: iter([[(n, endless) for n in range(len(asked))]]))
    ask(service, (1, "recommend", {"user": "x"}), (2, "recommend", {"user": "y"}), (3, "ping", {}))
    assert {one.id: getattr(one, "code", "ok") for one in sent if isinstance(one, ErrorReply | Ok)} == {
        **dict.fromkeys((1, 2), "internal"),
        3: "ok",
    }


def test_a_collection_walks_little_more_than_the_model(trained_home: Path, sent: list[Message]) -> None:
    made = Service(settings(home=trained_home, environ={}), sent.append)
    try:
        made.open()
        assert len(gc.get_objects()) < 10_000 < gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_a_defect_in_the_rehearsal_costs_nobody_an_answer(
    trained_home: Path, sent: list[Message], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "answer", broken)
        patch.setattr("port_worker.active_model.warm", lambda _recommender: iter(()))
        made = Service(settings(home=trained_home, environ={}), sent.append)
        made.open()
    assert [type(one) for one in sent] == [Hello]
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err
    ask(made, (1, "recommend", {"user": "x"}))
    assert isinstance(sent[1], Ok)


def test_a_defect_in_forgetting_costs_nobody_an_answer(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ActiveModel, "forget", broken)
        ask(service, (1, "ping", {}))
    assert [one.id for one in sent if isinstance(one, Ok)] == [1]
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err


def test_a_defect_in_the_swap_costs_the_retrain_only(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Retraining, "start", lambda *_arguments: None)
        ask(service, (1, "retrain", {}))
        patch.setattr(Retraining, "step", broken)
        service.trainer_readable()
    assert [(one.id, one.code) for one in sent if isinstance(one, ErrorReply)] == [(1, "internal")]
    sent.clear()
    ask(service, (1, "recommend", {"user": "x"}))
    assert isinstance(sent[0], Ok)


def test_a_defect_in_a_retrain_that_was_given_up_is_nobodys_answer(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Retraining, "step", broken)
        service.trainer_readable()
    assert sent == []
    ask(service, (1, "ping", {}))
    assert isinstance(sent[0], Ok)


def test_more_calls_than_may_be_in_flight_are_told_at_once(service: Service, sent: list[Message]) -> None:
    for call_id in range(4097):
        service.receive(to_payload(Call(call_id, "recommend", {"user": "x", "n": 1})))
    assert [(one.id, one.code, one.retryable) for one in sent if isinstance(one, ErrorReply)] == [
        (4096, "overloaded", True)
    ]
    while service.step():
        pass
    assert sorted(one.id for one in sent if isinstance(one, Ok)) == list(range(4096))


def test_what_waits_is_answered_in_batches_of_at_most_64(
    service: Service, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    whole = Recommender.answer

    def counted(self: Recommender, asked: Any) -> Any:
        sizes.append(len(asked))
        return whole(self, asked)

    monkeypatch.setattr(Recommender, "answer", counted)
    ask(service, *[(call_id, "recommend", {"user": "x"}) for call_id in range(130)])
    assert sizes == [64, 64, 2]
    assert len([one for one in sent if isinstance(one, Ok)]) == 130


VALID = to_payload(Call(7, "recommend", {"user": "x", "n": 3, "exclude": [1, "a"]}, 1_000_000))


def mutated() -> st.SearchStrategy[bytes]:
    """A valid call with a few bytes replaced, or cut short."""
    changes = st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=4)

    def change(edits: list[tuple[int, int]], length: int) -> bytes:
        payload = bytearray(VALID)
        for position, byte in edits:
            payload[position] = byte
        return bytes(payload[:length])

    return st.builds(change, changes, st.integers(0, len(VALID)) | st.just(len(VALID)))


@hypothesis_settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=80) | mutated())
@example(payload=VALID)
def test_any_frame_is_answered_at_most_once_and_raises_nothing(
    service: Service, sent: list[Message], payload: bytes
) -> None:
    sent.clear()
    service.receive(payload)
    while service.step():
        pass
    assert len(sent) == 1 or payload[:1] == b"\x83"
    assert len(sent) <= 1
    assert all(isinstance(one, Ok | ErrorReply) for one in sent)
    assert not [one for one in sent if isinstance(one, ErrorReply) and one.code == "internal"]
