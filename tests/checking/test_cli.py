"""`port-worker sources`: what it says of sources, and its exit statuses."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from port_worker.checking import cli
from port_worker.fixture.database import write_world

CONFIG = """
default_source = "visits"
[sources.visits]
location = "csv:visits.csv"
malformed = 0.2
[sources.uro]
location = "postgresql://ada:secret@db.example/uro"
[sources.world]
location = "sqlite:world.sqlite"
[sources.odd]
location = "redis:x"
"""
VISITS = "user,item,label,time\nu1,[b]m1[/b],1,1700000000\nu1,m2,2,1700000060\nu2,m2,3,1700000120\nu2,m2,x,1\n" * 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PORT_WORKER_SOURCE", raising=False)
    monkeypatch.delenv("PORT_WORKER_CONFIG", raising=False)
    (tmp_path / "port_worker.toml").write_text(CONFIG)
    return tmp_path


def run(home: Path, *words: str) -> int:
    parser = argparse.ArgumentParser(prog="sources")
    cli.configure(parser)
    return cli.run(parser.parse_args([*words, "--home", str(home)]))


def test_the_list_marks_the_default_and_shows_no_password(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "list") == cli.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if "visits" in line] == [["visits", f"csv:{home}/visits.csv", "default"]]
    assert [line.split() for line in lines if "uro" in line] == [["uro", "postgresql://ada@db.example/uro"]]
    assert run(home, "list", "--json") == cli.DONE
    found = json.loads(capsys.readouterr().out)["sources"]
    assert found["visits"] == {"location": f"csv:{home}/visits.csv", "default": True}
    assert found["uro"]["default"] is False


def write_visits(home: Path) -> None:
    header, _, rest = VISITS.partition("\n")
    (home / "visits.csv").write_text(f"{header}\n{rest.replace(header, 'u3,m2,1,1700000180')}")


def test_a_check_says_what_a_source_holds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_visits(home)
    (home / "port_worker.toml").write_text(CONFIG.replace("0.2", "0.25"))
    assert run(home, "check") == cli.DONE
    shown = capsys.readouterr().out
    for fact in ("7, 2 malformed ones skipped", "3, with 1 to 4 interactions", "2023-11-14 22:13:20 UTC to", "1 to 3"):
        assert fact in shown
    assert run(home, "check", "visits", "--json") == cli.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["skipped"], found["users"], found["items"]) == (7, 2, 3, 2)
    assert (found["rows_per_user"], found["first"], found["enough"]) == ([1, 2.0, 4], 1_700_000_000, True)
    assert found["item_kinds"] == {"": 2}


def test_kinds_and_features_are_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_world(home / "world.sqlite", users=100, items=150, visits=1000)
    assert run(home, "check", "world", "--json") == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert sum(found["item_kinds"].values()) == found["items"]
    assert found["item_kinds"].keys() == {"avatar", "map", "prop"}
    assert found["user_features"]["platform"] == {"kind": "sparse", "known": 1.0}
    assert found["item_features"]["size_kb"]["kind"] == "dense"
    assert run(home, "check", "world") == cli.DONE
    assert "size_kb (dense, 100% known)" in capsys.readouterr().out


def test_too_little_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "visits.csv").write_text("user,item,label,time\nu,m1,1,1\nu,m2,1,2\nv,m1,0,3\n")
    assert run(home, "check") == cli.FAILED
    assert "two users and two items" in capsys.readouterr().out


def test_what_cannot_be_read_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "check", "visits") == cli.FAILED
    assert "source visits" in (said := capsys.readouterr().err)
    assert "no such file" in said
    assert run(home, "check", "--json") == cli.FAILED
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "source_missing"
    write_visits(home)
    assert run(home, "check") == cli.FAILED
    assert "2 of 9 rows are malformed" in capsys.readouterr().err


def test_what_is_not_configured_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "check", "other") == cli.UNUSABLE
    assert "expected one of odd, uro, visits, world, got 'other'" in capsys.readouterr().err
    assert run(home, "check", "odd") == cli.UNUSABLE
    assert "redis:x" in capsys.readouterr().err
    (home / "port_worker.toml").write_text("[sources.a]\nlocatoin = 'x'")
    assert run(home, "list") == cli.UNUSABLE
    assert "port_worker.toml: sources.a: expected either location" in capsys.readouterr().err
