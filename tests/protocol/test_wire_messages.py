"""Messages to payloads and back, and the refusal of what is none."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import etf
from protocol.atoms import OPS, Atom
from protocol.erlang_syntax import parse_text
from protocol.errors import CODES, ProtocolError
from protocol.limits import MAX_CALL_ID, MAX_DEADLINE_MS
from protocol.messages import (
    Call,
    Cancel,
    ErrorReply,
    Event,
    Hello,
    Message,
    Ok,
    Progress,
    atom_keys,
    parse_inbound,
    parse_outbound,
    plain,
    to_payload,
)


def payload(text: str) -> bytes:
    return etf.encode(parse_text(text), any_atom=True)


def refused(text: str) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        parse_inbound(payload(text))
    return error.value


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Call(0, "ping"), "{call,0,ping,#{},infinity}"),
        (Call(7, "recommend", {"user": "ada", "n": 3}, 250), '{call,7,recommend,#{user => <<"ada">>,n => 3},250}'),
        (Call(1, "retrain", {"params": {"lr": 0.1}}), '{call,1,retrain,#{params => #{<<"lr">> => 0.1}},infinity}'),
        (Cancel(7), "{cancel,7}"),
        (Hello(atom_keys(protocol=1, model=None)), "{hello,#{protocol => 1,model => nil}}"),
        (Ok(7, atom_keys(items=[("m", 0.5)])), '{ok,7,#{items => [{<<"m">>,0.5}]}}'),
        (Progress(7, atom_keys(phase=Atom("fit"), epoch=None)), "{progress,7,#{phase => fit,epoch => nil}}"),
        (Event("draining", {}), "{event,draining,#{}}"),
        (
            ErrorReply.of(None, ProtocolError("overloaded", "full", {"limit": 2})),
            '{error,nil,#{code => overloaded,message => <<"full">>,retryable => true,details => #{<<"limit">> => 2}}}',
        ),
    ],
)
def test_a_message_is_its_term(message: Message, text: str) -> None:
    assert etf.decode(to_payload(message)) == parse_text(text)


@pytest.mark.parametrize(
    "message",
    [
        Call(MAX_CALL_ID, "models", {}, 0),
        Call(1, "recommend", {"user": b"ada", "exclude": [1, b"m"]}, MAX_DEADLINE_MS),
        Call(2, "ping", {"nil": None, "no_such_argument": 1}),
        Cancel(0),
    ],
)
def test_what_a_host_says_is_read_back(message: Message) -> None:
    assert parse_inbound(to_payload(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Hello(atom_keys(protocol=1, ops=[Atom(op) for op in OPS])),
        Ok(3, Atom("pong")),
        Progress(3, atom_keys(share=0.5)),
        Event("model_activated", atom_keys(version=b"v1")),
        *(ErrorReply.of(3, ProtocolError(code, "why", {"field": "n", "known": ["a"]})) for code in CODES),
    ],
)
def test_what_a_worker_says_is_read_back(message: Message) -> None:
    assert parse_outbound(to_payload(message)) == message


@pytest.mark.parametrize(
    ("text", "call_id", "message"),
    [
        ("7", None, "message: expected a tuple that starts with an atom, got 7"),
        ("{}", None, "message: expected a tuple that starts with an atom, got {}"),
        ("{hello,#{}}", None, "message: expected a tuple that starts with call or cancel, got hello"),
        ('{"call",1}', None, 'message: expected a tuple that starts with call or cancel, got <<"call">>'),
        ("{[],1}", None, "message: expected a tuple that starts with call or cancel, got []"),
        ("{nil,1}", None, "message: expected a tuple that starts with call or cancel, got nil"),
        ("{call}", None, "call: expected a tuple of 5, got {call}"),
        ("{call,1}", 1, "call: expected a tuple of 5, got {call,1}"),
        ("{call,-1,ping,#{},infinity}", None, f"id: expected an integer from 0 to {MAX_CALL_ID}, got -1"),
        ("{call,true,ping,#{},infinity}", None, f"id: expected an integer from 0 to {MAX_CALL_ID}, got true"),
        (
            f"{{call,{MAX_CALL_ID + 1},ping,#{{}},infinity}}",
            None,
            f"id: expected an integer from 0 to {MAX_CALL_ID}, got {MAX_CALL_ID + 1}",
        ),
        ('{call,1,"ping",#{},infinity}', 1, 'op: expected an atom, got <<"ping">>'),
        ("{call,1,ping,[],infinity}", 1, "args: expected a map, got []"),
        ('{call,1,ping,#{"n" => 1},infinity}', 1, 'args: expected atoms as keys, got <<"n">>'),
        ("{call,1,ping,#{1 => 1},infinity}", 1, "args: expected atoms as keys, got 1"),
        *(
            (
                f"{{call,1,ping,#{{}},{deadline}}}",
                1,
                f"deadline: expected milliseconds from 0 to {MAX_DEADLINE_MS}, or infinity, got {deadline}",
            )
            for deadline in ("-1", "1.5", "nil", "true", str(MAX_DEADLINE_MS + 1), '<<"infinity">>')
        ),
        ("{cancel,1,2}", None, "cancel: expected a tuple of 2, got {cancel,1,2}"),
        ("{cancel,nil}", None, f"id: expected an integer from 0 to {MAX_CALL_ID}, got nil"),
    ],
)
def test_what_is_no_message_is_malformed_and_names_the_call_it_spoils(
    text: str, call_id: int | None, message: str
) -> None:
    error = refused(text)
    assert (error.code, error.call_id, error.message) == ("malformed_message", call_id, message)


@pytest.mark.parametrize("op", ["fly", "nil", "'Ping'"])
def test_an_op_outside_the_set_is_unknown(op: str) -> None:
    error = refused(f"{{call,5,{op},#{{}},infinity}}")
    assert (error.code, error.call_id) == ("unknown_op", 5)
    assert error.message == f"op: expected one of {', '.join(OPS)}, got {op}"
    assert error.details == {"op": op.strip("'"), "known": list(OPS)}
    assert parse_outbound(to_payload(ErrorReply.of(5, error))) == ErrorReply.of(5, error)


def test_bytes_that_are_no_term_name_no_call() -> None:
    with pytest.raises(ProtocolError) as error:
        parse_inbound(b"\x83garbage")
    assert (error.value.code, error.value.call_id) == ("malformed_term", None)


@pytest.mark.parametrize(
    "text",
    [
        "{call,1,ping,#{},infinity}",
        "{hello,[]}",
        "{ok,nil,1}",
        "{ok,1}",
        "{progress,1,nil}",
        '{event,"draining",#{}}',
        "{error,1,#{}}",
        '{error,1,#{code => "internal",message => "m",retryable => true,details => #{}}}',
        '{error,1,#{code => internal,message => "m",retryable => 1,details => #{}}}',
        "{error,1,#{code => internal,message => <<255>>,retryable => true,details => #{}}}",
    ],
)
def test_a_host_refuses_what_no_worker_says(text: str) -> None:
    with pytest.raises(ProtocolError) as error:
        parse_outbound(payload(text))
    assert error.value.code == "malformed_message"


def test_a_host_takes_codes_events_and_keys_of_a_later_worker() -> None:
    text = '{error,1,#{code => later,message => "m",retryable => false,details => #{},hint => 1}}'
    assert parse_outbound(payload(text)) == ErrorReply(1, "later", "m", retryable=False, details={})
    assert parse_outbound(payload("{event,later,#{}}")) == Event("later", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pong", "pong"),
        ('#{items => [{"m",0.5},{7,1.0}],source => popular}', {"items": [("m", 0.5), (7, 1.0)], "source": "popular"}),
        ("#{1 => nil,nil => true,<<255>> => <<255>>}", {"1": None, "nil": True, "<<255>>": b"\xff"}),
    ],
)
def test_plain_terms_are_for_people(text: str, expected: Any) -> None:
    converted = plain(parse_text(text))
    assert converted == expected
    assert type(converted) is type(expected)
    assert plain(converted) == converted


def test_what_is_no_message_is_said_before_an_op_that_is_not_there() -> None:
    jump: Any = (Atom("call"), 7, Atom("jump"), [], 5)
    with pytest.raises(ProtocolError, match="args: expected a map") as error:
        parse_inbound(etf.encode(jump, any_atom=True))
    assert (error.value.code, error.value.call_id) == ("malformed_message", 7)
