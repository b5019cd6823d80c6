"""The program: its exit statuses, its table and its JSON, with workers that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.conformance import cli
from port_worker.conformance.clauses import CLAUSES

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
BROKEN = [sys.executable, str(ROOT / "tests" / "peers" / "broken_worker.py")]
QUICK = ("--only", "ops.ping", "--only", "ops.models", "--timeout", "20")


def conformance(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program; what is no worker must never make it hang or show a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "port_worker", "conformance", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def judged_json(*words: str) -> tuple[int, Any, str]:
    done = conformance("--json", "-", *words)
    return done.returncode, json.loads(done.stdout), done.stderr


def outcomes(data: Any) -> dict[str, str]:
    return {each["clause"]: each["outcome"] for each in data["clauses"]}


def test_a_worker_that_keeps_the_rules_exits_with_0() -> None:
    done = conformance(*QUICK, "--", *BROKEN)
    assert done.returncode == cli.KEPT
    assert "2 pass, 0 fail, 0 skipped" in done.stdout
    assert done.stderr == ""


def test_one_that_breaks_a_rule_exits_with_1_and_the_table_says_how() -> None:
    done = conformance(*QUICK, "--", *BROKEN, "pong as a binary")
    assert done.returncode == cli.BROKEN
    assert "FAIL" in done.stdout
    assert "expected the atom pong, got <<'pong'>>" in done.stdout
    assert "1 pass, 1 fail, 0 skipped" in done.stdout


def test_json_on_stdout_is_alone_there() -> None:
    status, data, table = judged_json(*QUICK, "--", *BROKEN, "a version without rows")
    assert status == cli.BROKEN
    assert (data["passed"], data["failed"], data["skipped"]) == (1, 1, 0)
    assert data["command"] == [*BROKEN, "a version without rows"]
    (failed,) = (each for each in data["clauses"] if each["outcome"] == "fail")
    assert (failed["clause"], failed["section"]) == ("ops.models", "`models`")
    assert "the key" in failed["why"]
    assert "1 pass, 1 fail" in table


def test_json_goes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    assert conformance(*QUICK, "--json", str(path), "--", *BROKEN).returncode == cli.KEPT
    assert outcomes(json.loads(path.read_text(encoding="utf-8"))) == {"ops.ping": "pass", "ops.models": "pass"}


def test_a_worker_that_dies_says_its_last_words() -> None:
    program = "import sys; sys.stdin.buffer.read(9); sys.stderr.write('out of order\\n'); sys.exit(7)"
    hello = "from tests.peers.broken_worker import *; Worker().start(); "
    status, data, _table = judged_json("--only", "ops.ping", "--", sys.executable, "-c", hello + program)
    assert status == cli.BROKEN
    assert (
        data["clauses"][0]["why"] == "expected an answer, got the worker's end with status 7; its stderr: out of order"
    )


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('no such home')", "status 1; its stderr: no such home"),
        ("pass", "status 0; it said nothing on stderr"),
        ("print('hello there, host', flush=True); import time; time.sleep(60)", "what is no frame"),
        ("print('hi', flush=True)", "what is no frame"),
        ("import time; time.sleep(60)", "within the time limit"),
        ("import sys, time; sys.stdout.close(); __import__('os').close(1); time.sleep(60)", "no exit"),
    ],
)
def test_without_a_hello_there_is_nothing_to_judge(program: str, why: str) -> None:
    limits = ("--hello-timeout", "1.5", "--timeout", "0.5")
    status, data, said = judged_json(*limits, "--", sys.executable, "-c", program)
    assert status == cli.NO_WORKER
    assert why in data["clauses"][0]["why"]
    assert "no hello: " in said
    assert outcomes(data) == {clause.name: "skipped" for clause in CLAUSES} | {"hello.first": "fail"}


def test_a_command_that_is_not_there() -> None:
    done = conformance("--", "/no/such/worker")
    assert done.returncode == cli.NO_WORKER
    assert done.stderr == "port-worker conformance: cannot start /no/such/worker: no such file or directory\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "command: expected one after --, got none"),
        (("--only", "frames.square", "--", "true"), "got 'frames.square'"),
        (("--timeout", "0", "--", "true"), "expected seconds"),
        (("--timeout", "soon", "--", "true"), "got 'soon'"),
        (("--json", "/no/such/folder/x", "--", "true"), "/no/such/folder/x"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(words: tuple[str, ...], named: str) -> None:
    done = conformance(*words)
    assert done.returncode == cli.UNUSABLE
    assert named in done.stderr


def test_options_behind_the_command_are_the_command_s() -> None:
    _status, data, _said = judged_json("--only", "ops.ping", "--", *BROKEN, "", "--json", "--", "--list")
    assert data["command"] == [*BROKEN, "", "--json", "--", "--list"]


def test_the_list_names_every_clause() -> None:
    done = conformance("--list")
    assert done.returncode == cli.KEPT
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == [clause.name for clause in CLAUSES]


def test_help_needs_the_standard_library_only() -> None:
    code = (
        "import argparse, sys; from port_worker.conformance import cli; cli.configure(argparse.ArgumentParser());"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))"
    )
    command = [sys.executable, "-S", "-c", code]
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['port_worker']"


_WITH_A_CHILD = """
import pathlib, subprocess, sys
from tests.peers.broken_worker import Worker

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).open("a").write(f"{child.pid}\\n")
sys.exit(Worker().run())
"""


def test_nothing_that_was_started_is_left(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    done = conformance("--only", "ops.ping", "--", sys.executable, "-c", _WITH_A_CHILD, str(pids))
    assert done.returncode == cli.KEPT
    (child,) = map(int, pids.read_text(encoding="utf-8").split())
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
