"""The tables of a report, and the sentences around them."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest

from port_worker.bench import findings, remarks
from port_worker.bench.figures import milliseconds, named, number, plain
from port_worker.bench.grids import judged_phase, overview
from port_worker.bench.report import show
from tests.bench.reports import BUILDERS, Play, boot, kill, ramp, report, retrain, scenario, slow_reader, stalled


def shown(found: dict[str, Any]) -> str:
    stream = io.StringIO()
    show(found, stream)
    return stream.getvalue()


def lines_of(found: dict[str, Any], first: str) -> list[list[str]]:
    """The words of every line that begins so."""
    return [line.split() for line in shown(found).splitlines() if line.startswith(first)]


def test_a_stall_is_in_the_corrected_row_and_not_in_the_other() -> None:
    found = report(stalled())
    assert lines_of(found, "latency, ms") == [
        ["latency,", "ms", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"]
    ]
    (corrected,), (uncorrected,) = lines_of(found, "corrected"), lines_of(found, "uncorrected")
    total = found["scenarios"][0]["total"]
    assert corrected[6] == milliseconds(total["latency_ms"]["p999"])
    assert uncorrected[6] == milliseconds(total["uncorrected_ms"]["p999"])
    assert total["latency_ms"]["p999"] > 1000 > 100 > total["uncorrected_ms"]["p999"]


def test_a_steady_run_fits_a_hundred_columns() -> None:
    tables = [
        line for line in shown(report(stalled())).splitlines() if line.startswith(("load", "latency", "worker  "))
    ]
    assert len(tables) == 3
    assert max(map(len, tables)) <= 100


@pytest.mark.parametrize("name", BUILDERS)
def test_every_scenario_is_shown_with_its_verdicts(name: str) -> None:
    found = report(BUILDERS[name]())
    text = shown(found)
    assert f"\n{name}: " in text
    for goal in found["scenarios"][0]["goals"]:
        assert f"goal, {goal['text']}: {goal['observed']}, {'met' if goal['met'] else 'breached'}" in text
    assert ("slo p99<500ms: ") in text
    assert text.rstrip().endswith(("met", "breached"))


def test_phases_stand_side_by_side_with_their_total() -> None:
    found = report(retrain())
    assert [words[0] for words in lines_of(found, ("before ", "during ", "after ", "total "))] == [  # type: ignore[arg-type]
        *("before", "during", "after", "total"),
    ]
    for phase in ("before", "during", "after", "total"):
        assert len(lines_of(found, f"{phase}, corrected")) == len(lines_of(found, f"{phase}, uncorrected")) == 1
    assert len(lines_of(found, "recommend")) == len(lines_of(found, "similar")) == 1


def test_errors_are_shown_by_code_with_their_share() -> None:
    found = report(kill())
    total = found["scenarios"][0]["total"]
    for code, calls in total["errors_by_code"].items():
        ((_, count, share),) = lines_of(found, code)
        assert count == str(calls)
        assert share == f"{calls / total['offered']:.2%}"
    assert "at 7.2 s: killed worker 1 (SIGKILL)" in shown(found)
    assert "calls that hang: 0" in shown(found)
    assert lines_of(found, "kills") == [["kills", "at,", "s", "recovered,", "ms", "lost"]]


def test_a_driver_that_was_the_limit_is_a_warning() -> None:
    assert "WARNING: the driver was the limit: sends 6.2 ms late at p99, busy 81%" in shown(report(slow_reader()))
    assert "WARNING" not in shown(report(stalled()))


def test_a_knee_is_named_and_its_step_is_what_the_ramp_came_to() -> None:
    found = ramp()
    text = shown(report(found, stalled()))
    assert "knee, the highest rate that meets every objective: 800.0/s" in text
    assert judged_phase(found)["name"] == "800/s"
    (row, _) = overview(report(found, stalled())).rows
    assert row[:2] == ["ramp", "807.0"]
    found["findings"]["knee_rate"] = None
    assert judged_phase(found)["name"] == "total"
    assert "knee, the highest rate that meets every objective: none" in shown(report(found))


def test_boots_have_a_table_of_times_and_none_of_calls() -> None:
    text = shown(report(boot()))
    assert "first answer     10  415.5  530.0  530.0" in text
    assert "offered/s" not in text
    assert "nothing was sent" in text


def test_what_a_report_says_is_never_taken_for_markup() -> None:
    found = report(scenario("steady", Play(seconds=2), marks=[{"at_s": 1.0, "text": "[red]x[/red] [/]"}]))
    found["scenarios"][0]["total"]["errors_by_code"] = {"[bold]": 1}
    text = shown(found)
    assert "at 1.0 s: [red]x[/red] [/]" in text
    assert "[bold]" in text


def test_what_was_not_measured_is_not_breached() -> None:
    goal = {"text": "fast", "observed": "not measured", "met": None}
    assert "goal, fast: not measured" in shown(report(scenario("steady", Play(seconds=2), goals=[goal])))


def test_a_worker_that_says_nothing_is_a_row_of_dashes() -> None:
    found = report(scenario("steady", Play(seconds=2)), worker=None)
    worker = found["scenarios"][0]["workers"][0]
    found["scenarios"][0]["workers"] = [dict.fromkeys(worker)]
    assert lines_of(found, "0  ") == [["0", *"-" * 9]]
    assert "the worker was not there to say what it is" in shown(found)


def test_a_closed_loop_has_no_rate_to_offer() -> None:
    found = scenario("steady", Play(seconds=2), options={"arrivals": "closed", "in_flight": 8, "rate": None})
    found["phases"][0]["rate_offered"] = None
    assert "closed loop, 8 in flight" in remarks.options(found)
    assert lines_of(report(found), "measured")[0][1] == "-"


@pytest.mark.parametrize(
    ("expression", "value", "words"),
    [
        ("p99<500ms", 12.345, "12.35 ms"),
        ("errors<5%", 0.0123, "1.23%"),
        ("errors<=0", 1234.0, "1,234"),
        ("rate>=1000", 999.6, "999.6/s"),
        ("rss<300MB", 181.5e6, "181.5 MB"),
        ("cpu<90%", 0.412, "41.20%"),
        ("p99<500ms", None, "nothing observed"),
        ("something else", 1.5, "1.50"),
    ],
)
def test_an_observed_value_has_the_unit_of_its_objective(expression: str, value: float | None, words: str) -> None:
    verdict = {"scenario": "steady", "expression": expression, "observed": value, "met": False}
    assert remarks.observed(verdict).startswith(words)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rss_slope_bytes_per_hour", ("rss slope", "MB/h", 1e-6)),
        ("recovered_ms", ("recovered", "ms", 1.0)),
        ("knee_rate", ("knee rate", "/s", 1.0)),
        ("error_rate", ("error rate", "%", 100.0)),
        ("at_s", ("at", "s", 1.0)),
        ("hanging", ("hanging", "", 1.0)),
    ],
)
def test_a_name_says_its_unit(name: str, expected: tuple[str, str, float]) -> None:
    found = named(name)
    assert found[1:] == expected[1:]
    assert found[0] == expected[0]


def test_findings_that_nobody_knows_are_shown_by_their_names() -> None:
    found = {
        "cooled_s": 1.5,
        "worst": {"pause_ms": 12.0, "why": "gc"},
        "sizes_bytes": [1e6, 2e6],
        "deep": [{"x": {"y": 1}}],
    }
    assert findings.facts(found) == [
        ("cooled", "1.50 s"),
        ("worst, pause", "12.00 ms"),
        ("worst, why", "gc"),
        ("sizes", "1.00, 2.00"),
    ]
    assert [list(grid.rows) for grid in findings.tables(found)] == [[["1", "1 entries"]]]


def test_numbers_have_the_digits_that_are_worth_reading() -> None:
    assert [milliseconds(value) for value in (0.034, 99.994, 100.0, 1234.5, None)] == [
        "0.03",
        "99.99",
        "100.0",
        "1,234",
        "-",
    ]
    assert number(0.0) == "0.0"
    assert [plain(value) for value in (True, None, 3, "x")] == ["yes", "-", "3", "x"]


def test_a_suite_ends_with_a_row_for_each() -> None:
    found = report(stalled(), copy.deepcopy(kill()))
    assert [list(row)[-1] for row in overview(found).rows] == ["breached", "met"]
    assert "steady: slo p99<500ms" in shown(found)


def test_options_of_a_scenario_alone_are_named_too() -> None:
    found = scenario("slow-reader", Play(seconds=2), options={"pause": 5.0, "payload_bytes": [100, 4000]})
    assert remarks.options(found).endswith("payload 100, 4,000 B; etf, seed 7; pause 5.00")
