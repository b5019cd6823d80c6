from __future__ import annotations

import io
import json

from port_worker.inspection.comparison import Comparison, Difference, Summary
from port_worker.inspection.report import report
from protocol.atoms import Atom
from protocol.codec import ETF
from protocol.messages import ErrorReply, Ok, to_payload


def _ok(call_id: int, result: object = 1) -> bytes:
    return to_payload(Ok(call_id, result))


def _error(call_id: int | None, code: str, message: str = "so it is") -> bytes:
    return to_payload(ErrorReply(call_id, code, message, False, {}))


def _feed(comparison: Comparison, *ids: int | None) -> None:
    for call_id in ids:
        comparison.offered("in")
        comparison.fed(call_id)


def test_answers_are_compared_whichever_side_is_first() -> None:
    comparison = Comparison(ETF)
    _feed(comparison, 1, 2)
    assert comparison.in_flight == 2
    comparison.recorded(1, _ok(1))
    comparison.answered(2, _ok(2, b"other"), "ok")
    comparison.recorded(2, _ok(2))
    comparison.answered(1, _ok(1), "ok")
    assert comparison.in_flight == 0
    found = comparison.summary()
    assert found == Summary(calls=2, ok=2, equal=1, different=[Difference(2, "ok", "another result")])


def test_results_are_equal_by_value_and_errors_by_code() -> None:
    comparison = Comparison(ETF)
    _feed(comparison, 1, 2, 3)
    comparison.recorded(1, _ok(1, {Atom("n"): 1, Atom("bytes"): 2}))
    comparison.answered(1, _ok(1, {Atom("bytes"): 2, Atom("n"): 1}), "ok")
    comparison.recorded(2, _error(2, "no_model"))
    comparison.answered(2, _error(2, "no_model", "in other words"), "error")
    comparison.recorded(3, _error(3, "no_model"))
    comparison.answered(3, _error(3, "overloaded"), "error")
    found = comparison.summary()
    assert (found.equal, found.different) == (2, [Difference(3, "error overloaded", "error no_model")])
    assert (found.ok, found.errors) == (1, 2)


def test_calls_that_share_an_id_are_compared_in_order_and_told() -> None:
    comparison = Comparison(ETF)
    for result in (b"first", b"second"):
        _feed(comparison, 7)
        comparison.recorded(7, _ok(7, result))
    comparison.answered(7, _ok(7, b"first"), "ok")
    assert comparison.summary().unanswered == [7]
    comparison.answered(7, _ok(7, b"second"), "ok")
    found = comparison.summary()
    assert (found.equal, found.unanswered, found.recurring) == (2, [], [7])


def test_a_call_is_due_once_as_many_of_its_id_have_ended_as_then() -> None:
    comparison = Comparison(ETF)
    assert comparison.is_due(7)
    _feed(comparison, 7)
    assert comparison.is_due(7), "when it was recorded, the id was in flight too"
    comparison.recorded(7, _ok(7))
    assert not comparison.is_due(7)
    comparison.answered(7, _ok(7), "ok")
    assert comparison.is_due(7)


def test_an_answer_that_nobody_waits_for_answers_no_call() -> None:
    comparison = Comparison(ETF)
    _feed(comparison, 1, None)
    comparison.answered(2, _error(2, "cancelled"), "error")
    comparison.answered(None, _error(None, "malformed_term"), "error")
    found = comparison.summary()
    assert (found.calls, found.other, found.ok, found.errors, found.unanswered) == (1, 1, 0, 0, [1])
    assert found.unrecorded == 2


def test_a_summary_for_people_leaves_out_what_is_not() -> None:
    stream = io.StringIO()
    report(Summary(calls=1, ok=1, equal=1), stream)
    assert (
        stream.getvalue()
        == "1 call: 1 answered (1 ok, 0 errors)\nas recorded: 1; different: 0; not in the recording: 0\n"
    )


def test_a_summary_lists_some_and_counts_the_rest() -> None:
    ids = list(range(100, 125))
    found = Summary(
        calls=25,
        other=1,
        unanswered=ids,
        different=[Difference(each, "ok", "error no_model") for each in ids],
        recurring=[3],
        unfed=2,
        skipped=1,
        worker="the worker ended with status 3",
        silent_s=1.5,
    )
    stream = io.StringIO()
    report(found, stream)
    lines = stream.getvalue().splitlines()
    assert "1 frame fed besides: cancels, or what is no call" in lines
    assert "2 frames not fed: the worker was not there, or silent" in lines
    assert lines[4].startswith("unanswered: 100, 101,")
    assert lines[4].endswith(", 119 and 5 more")
    assert "  id 119: ok, recorded error no_model" in lines
    assert "  id 120: ok, recorded error no_model" not in lines
    assert "  and 5 more; --json lists all" in lines
    assert lines[-2:] == ["the worker was silent for 1.5 s (--timeout)", "the worker ended with status 3"]
    stream = io.StringIO()
    report(found, stream, as_json=True)
    summary = json.loads(stream.getvalue())["summary"]
    assert len(summary["different"]) == 25
    assert summary["different"][0] == {"id": 100, "got": "ok", "recorded": "error no_model"}
