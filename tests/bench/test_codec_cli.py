"""The sub-program: its sections, its JSON, its exit statuses. How fast anything is, no test asks."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench import cli as bench
from port_worker.bench.codec import cli, hostile
from port_worker.bench.codec.cases import cases
from port_worker.bench.codec.echo import RAW
from port_worker.bench.codec.peers import PEERS
from tests.peers.stubs import ENVIRONMENT, ROOT

ESCRIPT = shutil.which("escript")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the programs' children need to find the packages."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.set_defaults(run=bench.run)
    bench.configure(parser)
    args = parser.parse_args(["codec", *words])
    status: int = args.run(args)
    return status


def a_few(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    few = [case for case in hostile.hostile_cases() if case.name in names]
    monkeypatch.setattr(hostile, "hostile_cases", lambda: few)


def summary(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    path = folder / "result.json"
    status = run("--quick", "--json", str(path), *words)
    return status, json.loads(path.read_text(encoding="utf-8"))


def test_a_run_shows_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_few(monkeypatch, "a bignum of 1 MB", "length 2^32-1 of a frame")
    status, found = summary(tmp_path)
    shown = capsys.readouterr().out
    assert status == (cli.MET if found["goals_met"] else cli.BREACHED)
    assert {"times", "echo", "hostile", "limits", "goals", "goals_met", "machine"} == found.keys()
    for row in cases():
        assert f"│ {row.name} " in shown
        assert found["times"][row.name]["us"].keys() == set(PEERS)
        assert found["times"][row.name]["ratios"].keys() == set(PEERS[1:])
        assert all(0 < us["p25"] <= us["median"] <= us["p75"] for us in found["times"][row.name]["us"].values())
    for cost in found["hostile"]:
        assert f"│ {cost['name']} " in shown
        assert "outcome" not in cost["breaches"]
    assert len(found["hostile"]) == 2
    assert all(f"{goal['text']}: " in shown for goal in found["goals"])
    assert max(map(len, shown.splitlines())) <= 110


@pytest.mark.skipif(
    ESCRIPT is None and os.environ.get("CI") != "true", reason="there is no `escript` on the PATH to open a Port with"
)
def test_every_peer_echoes_through_a_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _status, found = summary(tmp_path, "--only", "echo")
    assert found["echo"].keys() == {RAW, *PEERS}
    for flows in found["echo"].values():
        assert [flow["in_flight"] for flow in flows] == [64, 1]
        assert all(flow["messages_per_s"] > 0 and flow["p50_us"] > 0 for flow in flows)
    assert [flow["times"] for flow in found["echo"]["erlang-py"]] == [1.0, 1.0]
    assert (found["times"], found["hostile"]) == (None, None)


def test_without_erlang_the_echo_is_not_measured_and_breaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    status, found = summary(tmp_path, "--only", "echo")
    assert status == cli.MET
    assert found["echo"] is None
    assert {goal["met"] for goal in found["goals"]} == {None}
    assert "there is no `escript` on the PATH" in capsys.readouterr().out


def test_an_echo_program_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "escript"
    fake.write_text("#!/bin/sh\necho 'erlang-py ended with status 1' >&2\nexit 1\n", encoding="ascii")
    fake.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _name: str(fake))
    assert run("--quick", "--only", "echo") == cli.FAILED
    assert "port-worker bench codec: erlang-py ended with status 1" in capsys.readouterr().err


def test_a_breach_exits_with_99(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    a_few(monkeypatch, "a bignum of 1 MB")
    monkeypatch.setattr(hostile, "LIMIT_BYTES", 1)
    assert run("--quick", "--only", "hostile") == cli.BREACHED
    shown = capsys.readouterr().out
    assert "BREACHED" in shown
    assert "1 of 1 breach, breached" in shown


def test_json_on_stdout_is_alone_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    a_few(monkeypatch, "a bignum of 1 MB")
    run("--quick", "--only", "hostile", "--json", "-")
    captured = capsys.readouterr()
    assert [cost["name"] for cost in json.loads(captured.out)["hostile"]] == ["a bignum of 1 MB"]
    assert "hostile frames" in captured.err


@pytest.mark.parametrize("words", [("--rounds", "0"), ("--rounds", "many"), ("--only", "all")])
def test_an_argument_that_cannot_be_used_is_named(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == cli.UNUSABLE
    assert f"argument {words[0]}: " in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_found_out_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "./no/such/folder/x") == cli.UNUSABLE
    assert "no/such/folder/x" in capsys.readouterr().err


def test_the_program_takes_it_as_a_word() -> None:
    command = [sys.executable, "-m", "port_worker", "bench", "codec", "--help"]
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "--only" in said.stdout
    assert "--rate" not in said.stdout
