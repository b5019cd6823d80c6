"""What a BEAM is told to do."""

from __future__ import annotations

from array import array
from itertools import count

import pytest

from port_worker.bench.beam.plan import MOST_ASKS, Ask, Closed, Plan, Worker, ask_of, some
from protocol import etf
from protocol.atoms import Atom
from protocol.codec import ETF
from protocol.messages import Call, to_payload

ASKS: list[Ask] = [("recommend", {"user": "a", "n": 3}), ("recommend_many", {"users": [1, 2]})]
WORKERS = [Worker(["python", "-m", "port_worker"], {"HOME": "/nowhere"})]


def decoded(plan: Plan) -> dict[bytes, object]:
    term: dict[bytes, object] = etf.decode(plan.encode())
    return term


def test_a_plan_is_one_term_with_atoms_for_what_the_protocol_names() -> None:
    term = decoded(Plan(WORKERS, ASKS, array("q", [0, 500_000, -1]), deadline_ms=250))
    assert term[b"workers"] == [{b"command": [b"python", b"-m", b"port_worker"], b"env": {b"HOME": b"/nowhere"}}]
    assert term[b"asks"] == [
        (Atom("recommend"), {Atom("user"): b"a", Atom("n"): 3}),
        (Atom("recommend_many"), {Atom("users"): [1, 2]}),
    ]
    assert term[b"dues_ns"] == bytes(8) + (500_000).to_bytes(8, "little") + b"\xff" * 8
    assert (term[b"closed"], term[b"deadline_ms"], term[b"boot_ms"]) == (None, 250, 60_000)


def test_a_closed_loop_has_a_length_and_room_instead_of_due_times() -> None:
    plan = Plan(WORKERS, ASKS, closed=Closed(8, 2.5))
    term = decoded(plan)
    assert term[b"dues_ns"] is None
    assert term[b"closed"] == {b"in_flight": 8, b"duration_ns": 2_500_000_000, b"capacity": 250_000}
    assert plan.end_ns == 2_500_000_000
    assert Closed(8, 86_400.0).capacity == 4_000_000


@pytest.mark.parametrize(("deadline_ms", "grace_ms"), [(None, 5_000), (200, 5_000), (30_000, 30_000)])
def test_answers_are_waited_for_as_long_as_a_deadline_lets_them_take(deadline_ms: int | None, grace_ms: int) -> None:
    plan = Plan(WORKERS, ASKS, array("q", [0, 2_000_000_000]), deadline_ms=deadline_ms)
    assert decoded(plan)[b"grace_ms"] == grace_ms
    assert plan.longest_s == 60.0 + 2.0 + grace_ms / 1000


def test_an_op_that_the_other_side_cannot_ask_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of ping, recommend, .* got 'retrain'"):
        Plan(WORKERS, [("retrain", {})]).encode()


def test_no_more_requests_are_planned_than_are_made_nor_than_fit() -> None:
    asks = [("recommend", {"user": user}) for user in range(5)]
    assert some(iter(asks), 3) == asks[:3]
    assert some(iter(asks), 0) == asks[:1]
    assert len(some((("ping", {}) for _ in count()), 10 * MOST_ASKS)) == MOST_ASKS


def test_a_call_that_is_bytes_already_is_the_same_request() -> None:
    args = {"user": "ä", "n": 3, "kinds": ["map"], "filter_consumed": False}
    op, found = ask_of(to_payload(Call(9, "recommend", args, 250), ETF))
    assert op == "recommend"
    assert etf.encode(found) == etf.encode(args)
