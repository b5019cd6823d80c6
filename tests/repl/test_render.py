from __future__ import annotations

import io
import json

import pytest

from port_worker.repl.errors import Failure
from port_worker.repl.execute import COMMANDS, Outcome, execute
from port_worker.repl.render import show_json, show_tables
from port_worker.repl.results import Models, Status
from port_worker.repl.tables import duration, moment, size, write
from port_worker.repl.world import World
from tests.repl.conftest import ADA, BO, CAVE, FOX, Bench, FakeHost


def _shown(world: World, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    show_tables(execute(Bench(world, FakeHost()).session, line))
    return capsys.readouterr().out


def _object(world: World, line: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    show_json(execute(Bench(world, FakeHost()).session, line))
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    found: dict[str, object] = json.loads(output)
    return found


def test_a_recommendation_is_a_table_that_cuts_no_id(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _title, header, _rule, first, second = _shown(world, "recommend ada_reyes", capsys).split("\n")[:5]
    assert header.split() == ["rank", "name", "kind", "score", "id"]
    assert first.split() == ["1", "Neon", "Fox", "avatar", "0.7500", FOX]
    assert first == first.rstrip()
    assert second.index("Wet Cave") == first.index("Neon Fox")
    assert second.index(CAVE) == first.index(FOX)


def test_popular_items_for_a_stranger_are_called_that(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    output = _shown(world, "recommend stranger", capsys)
    assert "popular items: stranger is unknown to the model" in output
    assert "exhausted" in output


def test_names_are_shown_as_they_are_and_move_no_cursor(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert "for Bo [red]Lind (" in _shown(world, "recommend bo", capsys)
    show_tables(Outcome("x", Failure("internal", "a\x1b[31mb\nc")))
    assert capsys.readouterr().err == "error[internal]: a\N{REPLACEMENT CHARACTER}[31mb c\n"


def test_a_profile_shows_what_was_met_newest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(world, "user ada_reyes", capsys).split("\n")
    assert "2026-01-01 00:01" in lines[3]
    assert "favourite" in lines[3]
    assert "Wet Cave" in lines[4]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"raw", "similar", "quit", "models"}))
def test_every_command_has_a_table_and_an_object(world: World, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{name} ada_reyes" if name in {"recommend", "user"} else name
    assert _shown(world, line, capsys).strip()
    shown = _object(world, line, capsys)
    assert shown["command"] == line
    assert shown["ok"] is True


def test_the_object_of_a_recommendation(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _object(world, "recommend ada_reyes 2", capsys) == {
        "command": "recommend ada_reyes 2",
        "ok": True,
        "user": ADA,
        "name": "Ada Reyes",
        "source": "model",
        "model": "v1",
        "exhausted": False,
        "items": [
            {"id": FOX, "score": 0.75, "name": "Neon Fox", "kind": "avatar"},
            {"id": CAVE, "score": 0.5, "name": "Wet Cave", "kind": "map"},
        ],
    }


def test_the_object_of_a_failure(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _object(world, "user nobody", capsys)
    assert (shown["command"], shown["ok"]) == ("user nobody", False)
    error = shown["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["retryable"], error["details"]) == ("unknown_user", False, {"user": "nobody"})


def test_users_are_listed_by_activity(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _object(world, "users", capsys)["users"] == [
        {"id": ADA, "name": "Ada Reyes"},
        {"id": BO, "name": "Bo [red]Lind"},
    ]


def test_models_and_status_have_readable_values() -> None:
    stream = io.StringIO()
    version = {"version": "v1", "algorithm": "ALS", "created_at": 0, "rows": 12345, "users": 2, "items": 3}
    damaged = {**dict.fromkeys(version), "version": "v0", "bytes": None, "active": False, "damaged": True}
    write(Models("v1", [{**version, "bytes": 1500, "active": True, "damaged": False}, damaged]), stream)
    write(Status({"os_pid": 12345, "rss_bytes": 61_000_000, "model": None, "limits": {"max_n": 10000}}), stream)
    output = stream.getvalue()
    for expected in ("active", "12,345", "1.5 kB", "damaged", "61.0 MB", "limits.max n", "10,000"):
        assert expected in output
    assert " 12345 " in output.replace("\n", " \n")


def test_defaults_are_written_as_they_would_be_typed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in _shown(world, "algorithms twotower", capsys).splitlines()]
    defaults = {row[0]: row[1] for row in rows if len(row) > 1}
    assert (defaults["use_bn"], defaults["dropout_rate"], defaults["hidden_units"]) == ("true", "nil", "128,64,32")


def test_quantities_are_readable() -> None:
    assert [size(octets) for octets in (0, 999, 1000, 61_400_000)] == ["0 B", "999 B", "1.0 kB", "61.4 MB"]
    assert [duration(s) for s in (0.85, 12.34, 245, 12_000)] == ["850 ms", "12.3 s", "4 min 05 s", "3 h 20 min"]
    assert moment(2**62) == str(2**62)
