"""The state table, and the calls in flight."""

from __future__ import annotations

from itertools import product

import pytest

from protocol.atoms import OPS, STATES
from protocol.errors import ProtocolError
from protocol.session import TAKES, TRANSITIONS, Session

EVENTS = ("become_ready", "start_draining", "close")
PATHS = {
    "starting": [],
    "ready": ["become_ready"],
    "draining": ["become_ready", "start_draining"],
    "closed": ["close"],
}
NEXT = {
    ("starting", "become_ready"): "ready",
    ("ready", "become_ready"): None,
    ("draining", "become_ready"): "draining",
    ("closed", "become_ready"): None,
    ("starting", "start_draining"): "draining",
    ("ready", "start_draining"): "draining",
    ("draining", "start_draining"): "draining",
    ("closed", "start_draining"): None,
    **{(state, "close"): "closed" for state in STATES},
}


def in_state(state: str, max_in_flight: int = 4) -> Session:
    session = Session(max_in_flight)
    for event in PATHS[state]:
        getattr(session, event)()
    assert session.state == state
    return session


def refusal(session: Session, call_id: int, op: str) -> str | None:
    try:
        session.admit(call_id, op)
    except ProtocolError as error:
        return error.code
    return None


def test_the_tables_speak_of_the_states_that_the_wire_names() -> None:
    assert tuple(TAKES) == STATES
    assert {state for state, _event in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_event_in_every_state(state: str, event: str) -> None:
    session, expected = in_state(state), NEXT[state, event]
    if expected is None:
        with pytest.raises(ValueError, match=f"{event} is not possible while {state}"):
            getattr(session, event)()
    else:
        getattr(session, event)()
    assert session.state == (expected or state)


@pytest.mark.parametrize(("state", "op"), list(product(STATES, OPS)))
def test_every_op_in_every_state(state: str, op: str) -> None:
    taken = state == "ready" or (state == "draining" and op in {"ping", "status", "drain"})
    session = in_state(state)
    assert refusal(session, 1, op) == (None if taken else "draining")
    assert session.is_live(1) is taken
    assert session.in_flight == int(taken)


def test_an_id_is_taken_until_its_call_is_finished() -> None:
    session = in_state("ready")
    session.admit(1, "recommend")
    assert refusal(session, 1, "ping") == "id_in_use"
    session.finish(1)
    assert not session.is_live(1)
    assert refusal(session, 1, "ping") is None


def test_a_live_id_is_in_use_even_while_draining() -> None:
    session = in_state("ready")
    session.admit(1, "recommend")
    session.start_draining()
    assert refusal(session, 1, "recommend") == "id_in_use"


def test_no_more_is_in_flight_than_the_limit() -> None:
    session = in_state("ready", max_in_flight=2)
    assert [refusal(session, call_id, "recommend") for call_id in (1, 2, 3)] == [None, None, "overloaded"]
    session.finish(1)
    assert refusal(session, 3, "recommend") is None
    assert session.in_flight == 2


def test_the_end_of_an_id_that_is_not_in_flight_is_no_error() -> None:
    session = in_state("ready")
    session.admit(1, "ping")
    session.finish(2)
    session.finish(1)
    session.finish(1)
    assert session.in_flight == 0


def test_nothing_is_in_flight_once_closed() -> None:
    session = in_state("ready")
    session.admit(1, "retrain")
    session.close()
    assert (session.in_flight, session.is_live(1)) == (0, False)
