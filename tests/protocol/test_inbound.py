"""The short way to a usual call, and that it never says anything else than the long one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.atoms import ARGUMENTS, OPS, Atom
from protocol.codec import ETF, codec
from protocol.errors import ProtocolError
from protocol.inbound import read_inbound, usual_call
from protocol.limits import MAX_CALL_ID, MAX_DEADLINE_MS, TermLimits
from protocol.messages import Call, Cancel, Message, parse_inbound, to_payload

LIMITS = TermLimits()

values: st.SearchStrategy[object] = st.one_of(
    st.binary(max_size=40),
    st.integers(-3, 300),
    st.sampled_from([Atom("columns"), Atom("cosine"), None, True, False, 0.5, [b"a"], {}, (1, 2)]),
)
calls = st.builds(
    Call,
    st.one_of(st.integers(0, 300), st.integers(0, MAX_CALL_ID)),
    st.sampled_from(OPS),
    st.dictionaries(st.sampled_from(ARGUMENTS), values, max_size=10),
    st.one_of(st.none(), st.integers(0, 300), st.integers(0, MAX_DEADLINE_MS)),
)


def read_both(payload: bytes) -> tuple[Any, Any]:
    return outcome(lambda: read_inbound(payload, ETF, LIMITS)), outcome(lambda: parse_inbound(payload, ETF, LIMITS))


def outcome(read: Any) -> Any:
    try:
        return read()
    except ProtocolError as error:
        return error.code, error.message, error.details, error.call_id


@given(calls)
def test_a_call_is_read_alike(call: Call) -> None:
    payload = to_payload(call)
    assert read_inbound(payload, ETF, LIMITS) == parse_inbound(payload, ETF, LIMITS)


@given(calls, st.data())
@example(Call(1, "ping"), None)
def test_bytes_that_are_cut_or_changed_are_judged_alike(call: Call, data: Any) -> None:
    payload = to_payload(call)
    if data is None:
        for end in range(len(payload)):
            short, long = read_both(payload[:end])
            assert short == long
        return
    place = data.draw(st.integers(0, len(payload) - 1))
    other = data.draw(st.binary(max_size=3))
    short, long = read_both(payload[:place] + other + payload[place + data.draw(st.integers(0, 3)) :])
    assert short == long


@pytest.mark.parametrize(
    "call",
    [
        Call(0, "ping"),
        Call(300, "recommend", {"user": b"ada", "n": 10}),
        Call(7, "recommend", {"user": b"ada", "filter_consumed": False, "form": Atom("columns")}, 250),
        Call(7, "recommend", {"user": 5, "n": 10}, 5_000),
    ],
)
def test_usual_calls_take_the_short_way(call: Call) -> None:
    assert usual_call(to_payload(call), LIMITS) == call
    assert type(usual_call(to_payload(call), LIMITS)) is Call


@pytest.mark.parametrize(
    "message",
    [
        Cancel(7),
        Call(7, "recommend", {"user": b"ada", "exclude": [b"a"]}),
        Call(7, "recommend", {"user": -5}),
        Call(1 << 40, "ping"),
        Call(7, "recommend", dict.fromkeys(ARGUMENTS[:9], 1)),
    ],
)
def test_others_are_left_to_the_decoder(message: Message) -> None:
    payload = to_payload(message)
    assert usual_call(payload, LIMITS) is None
    assert read_inbound(payload, ETF, LIMITS) == message


@pytest.mark.parametrize("limit", ["max_terms", "max_depth", "max_map_pairs"])
def test_where_less_is_allowed_the_decoder_judges(limit: str) -> None:
    payload = to_payload(Call(7, "recommend", {"user": b"ada", "n": 10}))
    with pytest.raises(ProtocolError, match="term"):
        read_inbound(payload, ETF, replace(LIMITS, **{limit: 1}))
    assert limit in {one.name for one in fields(TermLimits)}


def test_another_codec_has_no_short_way() -> None:
    msgpack = codec("msgpack")
    assert read_inbound(to_payload(Call(1, "ping"), msgpack), msgpack, LIMITS) == Call(1, "ping")
