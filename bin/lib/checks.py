"""What bin/test runs once the environment is there: lint, types, the test suites; then a table of it all.

With CI=true nothing may be left out: a step or a test that was skipped is a failure.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import app

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "bin" / "lib"
CLIENT = ROOT / "elixir_example" / "client"
PYTHON = [sys.executable, "-m"]
Verdict = Literal["ok", "FAILED", "skipped"]


@dataclass(frozen=True)
class Result:
    """How a step ended, and what is worth a word about it."""

    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One line of the closing table."""

    name: str
    run: Callable[[], Result]


def by_status(command: list[str], cwd: Path = ROOT) -> Result:
    """Run a command, its output shown as it comes; its exit status decides."""
    status = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, check=False).returncode
    return Result("ok") if status == 0 else Result("FAILED", f"exit status {status}")


def count_tests(junit: str) -> dict[str, int]:
    """The totals of a JUnit report: tests, failures, errors, skipped."""
    suites = ElementTree.fromstring(junit).iter("testsuite")  # noqa: S314  pytest wrote it for us just now
    totals = dict.fromkeys(["tests", "failures", "errors", "skipped"], 0)
    for suite in suites:
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
    return totals


def run_pytest(arguments: list[str], *, strict: bool) -> Result:
    """The Python suite. `strict`: a skipped test is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        result = by_status([*PYTHON, "pytest", f"--junitxml={report}", *arguments])
        if not report.exists():
            return result
        totals = count_tests(report.read_text())
    note = f"{totals['tests']} tests, {totals['failures'] + totals['errors']} failed, {totals['skipped']} skipped"
    refused = strict and totals["skipped"] > 0
    return Result("FAILED" if refused else result.verdict, note)


def count_exunit(output: str) -> str:
    """ExUnit's own closing count, such as `41 tests, 0 failures`; empty where there is none."""
    counts = re.findall(r"(?m)^(?:\x1b\[\d+m)*((?:\d+ \w+, )*\d+ tests?, \d+ failures?[^\x1b\n]*)", output)
    return counts[-1] if counts else ""


def run_exunit(command: list[str], cwd: Path) -> Result:
    """A suite of ExUnit; it ran only if it counted tests."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as mix:
        assert mix.stdout is not None
        for line in mix.stdout:
            lines.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    count = count_exunit("".join(lines))
    passed = mix.returncode == 0 and bool(count)
    return Result("ok" if passed else "FAILED", count or f"exit status {mix.returncode}, no tests counted")


def run_app() -> Result:
    """The Phoenix application's suite; without hex, what of it needs no package."""
    lacking = app.lacking()
    if not lacking:
        return run_exunit([sys.executable, str(LIB / "app.py"), "--test"], ROOT)
    result = run_exunit(["elixir", str(LIB / "app_without_hex.exs")], ROOT)
    return Result(result.verdict, f"{result.note}; the rest of elixir_example/app was not run: {lacking}")


def obtain_elixir() -> str:
    """Find Elixir, or install Debian's where that is allowed; why there is none, or nothing."""
    if shutil.which("mix"):
        return ""
    if shutil.which("apt-get") is None:
        return "Elixir is not installed, and there is no apt-get to install it with"
    if os.geteuid() != 0:
        return "Elixir is not installed, and only root may install it: apt-get install elixir"
    apt = ["apt-get", "-y", "-q", "--no-install-recommends"]
    by_status([*apt, "update"])  # it may fail for a source that is not needed
    if by_status([*apt, "install", "elixir"]).verdict != "ok":
        return "Elixir is not installed, and this failed: apt-get install elixir"
    return "" if shutil.which("mix") else "Elixir is not installed, although apt-get said so"


def python_steps(arguments: list[str], *, strict: bool) -> list[Step]:
    """Lint, format, types, tests."""
    return [
        Step("ruff check", lambda: by_status([*PYTHON, "ruff", "check"])),
        Step("ruff format", lambda: by_status([*PYTHON, "ruff", "format", "--check"])),
        Step("mypy", lambda: by_status([*PYTHON, "mypy"])),
        Step("pytest", lambda: run_pytest(arguments, strict=strict)),
    ]


def elixir_steps(lacking: str) -> list[Step]:
    """Format, warnings, tests of the Elixir client, then the application; all skipped if something is `lacking`."""
    steps = [
        Step("mix format", lambda: by_status(["mix", "format", "--check-formatted"], CLIENT)),
        Step("mix compile", lambda: by_status(["mix", "compile", "--warnings-as-errors"], CLIENT)),
        Step("mix test", lambda: run_exunit(["mix", "test"], CLIENT)),
        Step("app", run_app),
    ]
    return [Step(step.name, lambda: Result("skipped", lacking)) for step in steps] if lacking else steps


def run_all(steps: list[Step], *, strict: bool) -> bool:
    """Run every step, whatever the others said, and print the table; whether all is well."""
    rows = []
    for step in steps:
        sys.stdout.write(f"\n== {step.name}\n")
        sys.stdout.flush()
        started = time.monotonic()
        result = step.run()
        rows.append((step.name, result, time.monotonic() - started))
    sys.stdout.write(f"\n{'step':<12} {'result':<8} {'seconds':>7}\n")
    for name, result, seconds in rows:
        sys.stdout.write(f"{name:<12} {result.verdict:<8} {seconds:>7.1f}  {result.note}".rstrip() + "\n")
    bad = {"FAILED", "skipped"} if strict else {"FAILED"}
    return not any(result.verdict in bad for _, result, _ in rows)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bin/test",
        description="Lint, types, the Python suite, the suites in Elixir. CI=true: all of it, torch too.",
    )
    parser.add_argument("--graph", action="store_true", help="install torch too, for the four graph algorithms' tests")
    parser.add_argument("pytest", nargs="*", metavar="PYTEST_ARGUMENT", help="after --: run pytest alone, with these")
    return parser.parse_args()


def main() -> int:
    """Entry point of bin/test."""
    args = parse()
    os.environ |= {"MIX_ENV": "test", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    if args.pytest:
        return 0 if run_pytest(args.pytest, strict=False).verdict == "ok" else 1
    strict = os.environ.get("CI") == "true"
    steps = python_steps([], strict=strict) + elixir_steps(obtain_elixir())
    return 0 if run_all(steps, strict=strict) else 1


if __name__ == "__main__":
    sys.exit(main())
