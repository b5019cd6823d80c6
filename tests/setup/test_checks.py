"""bin/test: what it counts, and what it takes for a failure."""

from __future__ import annotations

import os
import shutil

import pytest

import checks
from checks import Result, Step


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("..\nFinished in 0.1 seconds\n12 tests, 0 failures\n", "12 tests, 0 failures"),
        (
            "\x1b[32m2 doctests, 1 test, 0 failures, 1 skipped\x1b[0m\n\nRandomized with seed 0\n",
            "2 doctests, 1 test, 0 failures, 1 skipped",
        ),
        ("** (Mix) Could not find a project\n", ""),
    ],
)
def test_the_count_of_exunit_is_its_own_last_line(output: str, count: str) -> None:
    assert checks.count_exunit(output) == count


def test_a_junit_report_is_totalled_over_its_suites() -> None:
    suite = '<testsuite tests="3" failures="1" errors="0" skipped="1"/>'
    assert checks.count_tests(f"<testsuites>{suite}{suite}</testsuites>") == {
        "tests": 6,
        "failures": 2,
        "errors": 0,
        "skipped": 2,
    }


@pytest.mark.parametrize(
    ("verdict", "strict", "fine"),
    [("ok", True, True), ("FAILED", False, False), ("skipped", False, True), ("skipped", True, False)],
)
def test_a_skipped_step_fails_only_where_nothing_may_be_skipped(
    verdict: checks.Verdict, strict: bool, fine: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [Step("first", lambda: Result(verdict, "why")), Step("second", lambda: Result("ok"))]
    assert checks.run_all(steps, strict=strict) is fine
    table = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[:2] for line in table] == [["first", verdict], ["second", "ok"]]
    assert table[0].endswith("why")


def test_without_elixir_and_without_the_right_to_install_it_its_steps_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mix" else f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    lacking = checks.obtain_elixir()
    assert "only root" in lacking
    assert {step.run() for step in checks.elixir_steps(lacking)} == {Result("skipped", lacking)}


def test_a_failing_command_fails_its_step() -> None:
    assert checks.by_status(["false"]).verdict == "FAILED"
    assert checks.by_status(["true"]) == Result("ok")
