"""Calls that are encoded once, and answers that are not read in full: they mean what the codec says."""

from __future__ import annotations

import uuid

import pytest

from port_worker.bench.wire import Answer, AnswerReader, CallWriter
from protocol.atoms import Atom
from protocol.codec import CODECS, codec
from protocol.errors import ProtocolError
from protocol.messages import Call, ErrorReply, Event, Ok, Progress, atom_keys, parse_inbound, to_payload

IDS = [0, 1, 255, 256, 70_000, 0x7FFF_FFFF]
ITEMS = [(str(uuid.UUID(int=k)), 1.0 / (k + 1)) for k in range(10)]


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("deadline_ms", [None, 250])
@pytest.mark.parametrize("call_id", IDS)
def test_a_prepared_call_is_the_call(name: str, deadline_ms: int | None, call_id: int) -> None:
    args = {"user": "ada", "n": 10, "exclude": ["m1", "m2"]}
    prepared = CallWriter(codec(name), deadline_ms).prepare("recommend", args)
    sent = {"user": b"ada", "n": 10, "exclude": [b"m1", b"m2"]}
    assert parse_inbound(prepared.payload(call_id), codec(name)) == Call(call_id, "recommend", sent, deadline_ms)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("call_id", [0, 255, 256, 0x7FFF_FFFF, 1 << 40])
@pytest.mark.parametrize("source", ["model", "fold_in", "features", "popular", None])
def test_an_answer_is_what_it_says(name: str, call_id: int, source: str | None) -> None:
    result = atom_keys(items=ITEMS, model="v1", exhausted=False)
    if source is not None:
        result[Atom("source")] = Atom(source)
    payload = to_payload(Ok(call_id, result), codec(name))
    assert AnswerReader(codec(name)).read(payload) == Answer(call_id, None, source)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("result", [Atom("pong"), {}, [], atom_keys(scores=[1.0, None], source=Atom("model"))])
def test_other_results_are_good_answers_too(name: str, result: object) -> None:
    answer = AnswerReader(codec(name)).read(to_payload(Ok(7, result), codec(name)))
    assert isinstance(answer, Answer)
    assert (answer.id, answer.code) == (7, None)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("call_id", [3, None])
def test_an_error_has_its_code(name: str, call_id: int | None) -> None:
    reply = ErrorReply(call_id, "overloaded", "too much", retryable=True, details={})
    assert AnswerReader(codec(name)).read(to_payload(reply, codec(name))) == Answer(call_id, "overloaded", None)


@pytest.mark.parametrize("name", CODECS)
def test_other_messages_are_themselves(name: str) -> None:
    for message in (Progress(3, atom_keys(share=0.5)), Event("draining", {})):
        assert isinstance(AnswerReader(codec(name)).read(to_payload(message, codec(name))), type(message))


@pytest.mark.parametrize("payload", [b"", b"\x83h\x03w\x02ok", b"\x83h\x03w\x02oka\x07", b"print"])
def test_what_is_no_message_is_an_error(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerReader().read(payload)
