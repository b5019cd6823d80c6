"""The sub-program: its sections, its JSON, its exit statuses. How fast anything is, no test asks."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli as bench
from port_worker.bench.goals import Goal
from port_worker.bench.serving import approximate, boot, bulk, cli, embedding, networks, sections
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.sections import Section
from port_worker.bench.serving.world import Size
from tests.bench import serving_findings as found
from tests.peers.stubs import ENVIRONMENT, ROOT
from tests.test_arrows import HEAVY

FOUND: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "embedding": (embedding, found.embedding(found.world(), found.world(1_000_000, 64))),
    "approximate": (approximate, found.approximate()),
    "networks": (networks, found.networks(found.network(), found.network("DeepFM"))),
    "boot": (boot, found.boot()),
    "bulk": (bulk, found.bulk()),
}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.set_defaults(run=bench.run)
    bench.configure(parser)
    args = parser.parse_args(["serving", *words])
    status: int = args.run(args)
    return status


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which sections were measured, in place of their measuring."""
    names: list[str] = []

    def section(name: str) -> Section:
        room, finding = FOUND[name]

        def measure(_plan: Any, tell: Any) -> dict[str, Any]:
            tell("measuring")
            names.append(name)
            return finding

        return Section(room.steps, measure, room.goals, room.tables)

    monkeypatch.setattr(sections, "SECTIONS", {name: section(name) for name in sections.SECTIONS})
    return names


def test_the_sections_are_those_of_the_help() -> None:
    assert list(sections.SECTIONS) == list(cli.SECTIONS) == list(FOUND)


def test_a_run_shows_all_sections_and_goals(measured: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == cli.MET
    assert measured == list(cli.SECTIONS)
    shown = capsys.readouterr().out
    for text in ("LibRec./worker", "recall@10", "DeepFM", "spawn to hello s", "users a second", "numpy", "processors"):
        assert text in shown
    assert "breached" not in shown
    assert "100,000 items, d = 16, 1 in flight: at least 2 times as fast as LibRecommender in-process: 5.00 t" in shown
    assert "1,000,000 items, d = 16, 1 in flight: p50 at most 1.3 times as long as faiss: not measured" in shown
    tables = [line for line in shown.splitlines() if line.startswith(("│", "┃"))]
    assert tables
    assert max(map(len, tables)) <= 120


def test_a_section_can_be_alone(measured: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert run("--only", "bulk", "--only", "boot", "--rounds", "3", "--json", str(path)) == cli.MET
    assert measured == ["boot", "bulk"]
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert summary["sections"] == {"boot": FOUND["boot"][1], "bulk": FOUND["bulk"][1]}
    assert summary["plan"] == {"quick": False, "rounds": 3, "all_networks": False}
    assert len(summary["goals"]) == 5
    assert summary["goals_met"]
    assert summary["machine"].keys() >= {"cpu", "processors", "blas", "libraries"}
    assert "bench: boot: measuring" in capsys.readouterr().err


def test_json_on_stdout_is_alone_there(measured: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run("--only", "bulk", "--json", "-")
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sections"].keys() == {"bulk"}
    assert "users a second" in captured.err


def test_a_breach_exits_with_99(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sections.SECTIONS["bulk"]
    breached = Section(whole.steps, whole.measure, lambda _found: [Goal("a goal", "3 times", met=False)], whole.tables)
    monkeypatch.setattr(sections, "SECTIONS", {**sections.SECTIONS, "bulk": breached})
    assert run("--only", "bulk") == cli.BREACHED
    assert "a goal: 3 times, breached" in capsys.readouterr().out


def test_what_cannot_be_measured_exits_with_1(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(_plan: Any, _tell: Any) -> dict[str, Any]:
        raise NoAnswerError("the worker said nothing")

    whole = sections.SECTIONS["bulk"]
    monkeypatch.setattr(sections, "SECTIONS", {"bulk": Section(whole.steps, silent, whole.goals, whole.tables)})
    assert run("--only", "bulk") == cli.FAILED
    assert "port-worker bench serving: the worker said nothing" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--rounds", "0"), ("--rounds", "many"), ("--only", "all")])
def test_an_argument_that_cannot_be_used_is_named(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == cli.UNUSABLE
    assert f"argument {words[0]}: " in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_found_out_first(
    measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", "./no/such/folder/x") == cli.UNUSABLE
    assert measured == []
    assert "no/such/folder/x" in capsys.readouterr().err


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys\nfrom port_worker.cli import main\ntry:\n    main(['bench', 'serving', '--help'])\n"
        f"finally:\n    print('heavy:', *(set(sys.modules) & {HEAVY!r}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert said.stdout.endswith("heavy:\n")
    assert all(f"  {name} " in said.stdout for name in cli.SECTIONS)


def test_embeddings_are_measured_through_a_real_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tiny: the worker, LibRecommender, faiss where there is one. That they agree is checked on the way."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    monkeypatch.setattr(embedding, "_QUICK", (Size(items=600, factors=8, users=100, met=5),))
    path = tmp_path / "result.json"
    assert run("--quick", "--rounds", "1", "--only", "embedding", "--json", str(path)) == cli.MET
    [world] = json.loads(path.read_text(encoding="utf-8"))["sections"]["embedding"]["worlds"]
    assert [row["in_flight"] for row in world["rows"]] == [1, 64]
    for row in world["rows"]:
        assert row["ms"].keys() >= {"worker", "arithmetic", "LibRecommender"}
        assert all(ms > 0 for ms in row["ms"].values())
        assert row["worker_over_librecommender"] > 0
    assert "│ 600   │" in capsys.readouterr().out
