"""The sub-program: its table, its JSON, its exit statuses. How fast anybody is, no test asks."""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli as bench
from port_worker.bench.peers import catalogues, cli, comparison, libserving
from port_worker.bench.peers.report import show
from port_worker.bench.serving import machine
from port_worker.bench.serving.peers import FAISS, LIBRECOMMENDER
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.world import World
from tests.bench.peers_stand_ins import SIZE, small_world
from tests.peers.stubs import ENVIRONMENT, ROOT
from tests.test_arrows import HEAVY


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.set_defaults(run=bench.run)
    bench.configure(parser)
    args = parser.parse_args(["peers", *words])
    status: int = args.run(args)
    return status


@contextmanager
def small(*_items: int) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        yield small_world(Path(folder))


@pytest.fixture
def small_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    monkeypatch.setattr(catalogues, "fixture", small)
    monkeypatch.setattr(catalogues, "synthetic", small)


def row(name: str, in_flight: int, times: float) -> dict[str, Any]:
    ratios = {"p50": times, "p99": times, "per_s": 1 / times}
    return {
        "name": name,
        "in_flight": in_flight,
        "p50_ms": 0.5 * times,
        "p99_ms": times,
        "per_s": 2000 / times,
        "ratios": ratios,
    }


def findings(**right: float) -> dict[str, Any]:
    """What `compare` may find; `right` by name."""
    shares = {comparison.WORKER: 1.0, comparison.USUAL: 1.0, **right}
    rows = [row(name, in_flight, times) for in_flight in (1, 32) for name, times in zip(shares, (1, 4), strict=False)]
    missing = {comparison.LIBSERVING: "redis-server is not installed", FAISS: "No module named 'faiss'"}
    return {"users": 80, "right": shares, "missing": missing, "rows": rows}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch, small_worlds: None) -> list[tuple[int, comparison.Wanted]]:
    """What was to be compared, in place of that: the items of each world, and the plan."""
    asked: list[tuple[int, comparison.Wanted]] = []

    def compare(world: World, wanted: comparison.Wanted, _tell: Any) -> dict[str, Any]:
        asked.append((len(world.item_ids), wanted))
        return findings()

    monkeypatch.setattr(comparison, "compare", compare)
    return asked


def test_a_run_shows_the_table_the_machine_and_who_is_not_there(
    compared: list[tuple[int, comparison.Wanted]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == cli.ALIKE
    [(items, wanted)] = compared
    assert items == SIZE.items
    assert (wanted.plan.rounds, wanted.plan.calls, wanted.plan.in_flight, wanted.checkout) == (5, 1000, 32, None)
    shown = capsys.readouterr().out
    for text in (
        "processors",
        "one thread in each process",
        "fixture: 300 items, d = 8, 80 users",
        "libserving: not measured: redis-server is not installed",
        "faiss: not measured: No module named 'faiss'",
    ):
        assert text in shown
    tables = [line for line in shown.splitlines() if line.startswith(("│", "┃"))]
    cells = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in tables]
    assert cells == [
        ["in flight", "who", "p50 ms", "p99 ms", "calls/s", "p50 x", "p99 x", "calls/s x", "answers"],
        ["1", "worker", "0.500", "1.00", "2,000", "1.00", "1.00", "1.00", "right"],
        ["1", "usual worker", "2.00", "4.00", "500", "4.00", "4.00", "0.25", "right"],
        ["32", "worker", "0.500", "1.00", "2,000", "1.00", "1.00", "1.00", "right"],
        ["32", "usual worker", "2.00", "4.00", "500", "4.00", "4.00", "0.25", "right"],
    ]


def test_options_reach_the_comparison(
    compared: list[tuple[int, comparison.Wanted]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = tmp_path / libserving.SERVER
    server.parent.mkdir(parents=True)
    server.write_text("", encoding="utf-8")
    words = ("--items", "1000", "--in-flight", "8", "--calls", "20", "--rounds", "2", "--libserving", str(tmp_path))
    assert run(*words, "--libserving-python", "python-of-sanic", "--json", "-") == cli.ALIKE
    assert len(compared) == 2
    wanted = compared[1][1]
    assert (wanted.plan.rounds, wanted.plan.calls, wanted.plan.in_flight) == (2, 20, 8)
    assert (wanted.checkout, wanted.python) == (tmp_path, "python-of-sanic")
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert summary["schema"] == cli.SCHEMA
    assert [found["name"] for found in summary["catalogues"]] == ["fixture", "synthetic"]
    assert (summary["rounds"], summary["calls"], summary["in_flight"], summary["right"]) == (2, 20, 8, True)
    assert "calls/s x" in captured.err


def test_a_wrong_answer_is_marked_and_exits_with_99(
    compared: list[tuple[int, comparison.Wanted]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison, "compare", lambda *_words: findings(**{comparison.USUAL: 0.75}))
    assert run() == cli.WRONG
    lines = [line for line in capsys.readouterr().out.splitlines() if "usual worker" in line and line.startswith("│")]
    assert len(lines) == 2
    assert all("25.0% WRONG" in line for line in lines)


def test_one_wrong_answer_of_all_that_are_checked_is_not_shown_as_none() -> None:
    found = {"name": "fixture", "items": 1, "factors": 1} | findings(**{comparison.USUAL: 63 / 64})
    summary = {"machine": machine.described(), "rounds": 1, "calls": 1, "in_flight": 32, "catalogues": [found]}
    said = io.StringIO()
    show(summary, said)
    assert "1.6% WRONG" in said.getvalue()


def test_who_does_not_answer_exits_with_3(
    compared: list[tuple[int, comparison.Wanted]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(*_words: Any) -> dict[str, Any]:
        raise NoAnswerError("the worker said nothing")

    monkeypatch.setattr(comparison, "compare", silent)
    assert run() == cli.NO_ANSWER
    assert "port-worker bench peers: the worker said nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--items", "999"),
        ("--items", "many"),
        ("--in-flight", "0"),
        ("--calls", "0"),
        ("--rounds", "-1"),
        ("--libserving", "/nowhere/at/all"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == cli.UNUSABLE
    said = capsys.readouterr().err
    assert f"argument {words[0]}: expected " in said
    assert f"got {words[1]!r}" in said


def test_without_librecommender_nothing_is_compared(
    compared: list[tuple[int, comparison.Wanted]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "libreco" else whole(name))
    assert run() == cli.UNUSABLE
    assert compared == []
    assert "it needs libreco: install the extra, port-worker[train]" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_found_out_first(
    compared: list[tuple[int, comparison.Wanted]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", "./no/such/folder/x") == cli.UNUSABLE
    assert compared == []
    assert "no/such/folder/x" in capsys.readouterr().err


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys\nfrom port_worker.cli import main\ntry:\n    main(['bench', 'peers', '--help'])\n"
        f"finally:\n    print('heavy:', *(set(sys.modules) & {HEAVY!r}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert said.stdout.endswith("heavy:\n")
    assert "--libserving-python" in said.stdout


def test_the_launcher_takes_the_development_environment() -> None:
    [line] = [line for line in (ROOT / "bin" / "bench").read_text().splitlines() if "profile=dev" in line]
    assert "peers" in line.partition(")")[0].replace("|", " ").split()


def test_all_who_are_there_answer_rightly(small_worlds: None, tmp_path: Path) -> None:
    """Real ones: the worker, LibRecommender in its own process, the usual worker around it, faiss where it is."""
    path = tmp_path / "result.json"
    assert run("--calls", "8", "--rounds", "1", "--in-flight", "4", "--json", str(path)) == cli.ALIKE
    [found] = json.loads(path.read_text(encoding="utf-8"))["catalogues"]
    there = set(comparison.NAMES) - found["missing"].keys()
    assert there >= {comparison.WORKER, LIBRECOMMENDER, comparison.USUAL}
    assert found["right"] == dict.fromkeys(there, 1.0)
    assert {(row["name"], row["in_flight"]) for row in found["rows"]} == {(name, k) for name in there for k in (1, 4)}
    assert all(row[figure] > 0 for row in found["rows"] for figure in ("p50_ms", "p99_ms", "per_s"))
    ours = [row["ratios"] for row in found["rows"] if row["name"] == comparison.WORKER]
    assert ours == [{"p50": 1.0, "p99": 1.0, "per_s": 1.0}] * 2
