"""What is a report: the schema, and the reader that holds files against it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench.report_file import KNOWN_WORDS, SCHEMA, ReportFileError, first_fault, read_report, schema
from tests.bench.reports import BUILDERS, Play, kill, report, scenario

SHORT = report(scenario("steady", Play(seconds=3)))


@pytest.mark.parametrize("name", BUILDERS)
def test_every_scenario_makes_a_report(name: str) -> None:
    found = report(BUILDERS[name]())
    assert first_fault(json.loads(json.dumps(found, allow_nan=False))) is None


def rules(rule: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that are in it."""
    yield rule
    for name in ("properties", "$defs"):
        for inner in rule.get(name, {}).values():
            yield from rules(inner)
    for inner in (*rule.get("anyOf", ()), rule.get("items"), rule.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from rules(inner)


def test_the_reader_knows_every_word_of_the_schema() -> None:
    used = {word for rule in rules(schema()) for word in rule}
    assert used <= KNOWN_WORDS
    assert {"$ref", "type", "required", "additionalProperties", "anyOf", "minimum"} <= used


def test_every_reference_leads_somewhere_and_every_object_lists_its_fields() -> None:
    definitions = schema()["$defs"]
    for rule in rules(schema()):
        if "$ref" in rule:
            assert rule["$ref"].removeprefix("#/$defs/") in definitions
        assert set(rule.get("required", ())) <= set(rule.get("properties", ()))


def test_the_schema_says_which_it_is_of() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema()["$defs"]["report"]["properties"]["schema"]["const"] == SCHEMA


def test_the_schema_is_in_the_package() -> None:
    assert files("port_worker.bench").joinpath("report.schema.json").is_file()


def changed(path: str, value: Any) -> Any:
    """A report of which one place is another."""
    found: Any = copy.deepcopy(SHORT)
    *way, last = path.split(".")
    inner = found
    for name in way:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if isinstance(inner, list):
        inner[int(last)] = value
    elif value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("met", "yes", "met: expected boolean, got 'yes'"),
        ("met", 1, "met: expected boolean, got 1"),
        ("command", "bin/bench", "command: expected array, got 'bin/bench'"),
        ("scenarios", [], "scenarios: expected at least 1 of them, got []"),
        ("extra", 1, "extra: no report has this field"),
        ("scenarios.0.total.ok", -1, "scenarios.0.total.ok: expected 0 or more, got -1"),
        ("scenarios.0.total.ok", True, "scenarios.0.total.ok: expected integer, got True"),
        ("scenarios.0.total.ok", 1.5, "scenarios.0.total.ok: expected integer, got 1.5"),
        ("scenarios.0.total.error_rate", 1.5, "scenarios.0.total.error_rate: expected 1 or less, got 1.5"),
        ("scenarios.0.total.latency_ms.p99", None, "scenarios.0.total.latency_ms.p99: expected number, got None"),
        ("scenarios.0.total.latency_ms.p98", 1.0, "scenarios.0.total.latency_ms.p98: no report has this field"),
        ("scenarios.0.options.arrivals", "bursty", "expected one of constant, poisson, closed, got 'bursty'"),
        ("scenarios.0.name", "other", "scenarios.0.name: expected one of steady,"),
        ("scenarios.0.series.p50_ms.0", "1", "scenarios.0.series.p50_ms.0: expected number or null, got '1'"),
        ("scenarios.0.series.rss_bytes.0", 5, "scenarios.0.series.rss_bytes.0: expected array, got 5"),
        ("scenarios.0.series.p99_ms.0", float("nan"), "scenarios.0.series.p99_ms.0: expected number or null, got nan"),
        ("scenarios.0.total.errors_by_code", {"gone": "x"}, "errors_by_code.gone: expected integer, got 'x'"),
        ("scenarios.0.workers.0.pid", KeyError, "scenarios.0.workers.0: expected the field 'pid'"),
        ("slo.0.met", None, "slo.0.met: expected boolean, got None"),
    ],
)
def test_the_first_fault_says_where_and_what(path: str, value: Any, fault: str) -> None:
    assert fault in str(first_fault(changed(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("worker", None),
        ("scenarios.0.findings.anything", {"at_all": [1, None]}),
        ("scenarios.0.workers.0.more", "than the others"),
        ("scenarios.0.total.latency_ms", None),
        ("scenarios.0.total.rate_offered", None),
        ("scenarios.0.options.rate", 100),
        ("scenarios.0.total.ok", 12.0),
        ("scenarios.0.series.cpu.0.0", None),
    ],
)
def test_what_may_be_otherwise_may(path: str, value: Any) -> None:
    assert first_fault(changed(path, value)) is None


def test_a_report_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(SHORT), encoding="utf-8")
    assert read_report(path) == SHORT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "got no JSON"),
        ("[1]", "expected a report with the schema 'port_worker.bench/1', got None"),
        ('{"schema": "port_worker.bench/2"}', "got 'port_worker.bench/2'"),
        ('{"schema": "port_worker.bench/1"}', "not a report: the document: expected the field 'command'"),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReportFileError, match=r"other\.json") as caught:
        read_report(path)
    assert why in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ReportFileError, match="got no JSON"):
        read_report(path)


def test_a_killed_worker_leaves_gaps_that_a_report_may_have() -> None:
    assert [None, None] in kill()["series"]["rss_bytes"]
