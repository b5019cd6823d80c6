from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.repl.errors import CommandError
from port_worker.repl.session import Session
from port_worker.repl.world import choose_world, prepare
from port_worker.sources.errors import SourceError
from tests.repl.conftest import Notes


def test_a_home_without_data_gets_a_world_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT_WORKER_SOURCE", raising=False)
    world, notes = choose_world(tmp_path / "home", None), Notes()
    prepare(world, notes)
    made = (tmp_path / "home" / "world.sqlite").stat()
    assert "making a world" in notes.said[0]
    prepare(world, notes)
    assert (tmp_path / "home" / "world.sqlite").stat() == made
    assert len(world.source.sample_users(3)) == 3


def test_models_of_different_data_never_mix(tmp_path: Path) -> None:
    homes = {choose_world(tmp_path, str(tmp_path / name / "a.csv")).home for name in ("x", "y")}
    assert len(homes) == 2
    assert {home.parent for home in homes} == {tmp_path / "data"}
    assert all(home.name.startswith("a-") for home in homes)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("absent.csv", None, "source_missing"),
        ("bare.csv", b"user,item\n1,2\n", "source_missing_column"),
        ("empty.csv", b"", "source_empty"),
    ],
)
def test_data_that_cannot_be_read_is_refused_at_once(
    tmp_path: Path, name: str, content: bytes | None, code: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        prepare(choose_world(tmp_path / "home", str(path)), Notes())
    assert caught.value.code == code


def test_data_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        choose_world(tmp_path, "visits.txt")
    assert caught.value.code == "invalid_argument"


def test_a_database_is_not_named_on_a_command_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"a database is named in port_worker\.toml") as caught:
        choose_world(tmp_path, "postgresql://ada:secret@db/uro")
    assert caught.value.code == "invalid_argument"
    assert "secret" not in caught.value.message


def test_a_configured_source_is_the_worker_s_to_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT_WORKER_SOURCE", raising=False)
    (tmp_path / "port_worker.toml").write_text('default_source = "a"\n[sources.a]\nlocation = "csv:a.csv"\n')
    world = choose_world(tmp_path, None)
    assert (world.source.spec, world.fixture, world.brought) == (f"csv:{tmp_path}/a.csv", None, None)
    brought = choose_world(tmp_path, str(tmp_path / "b.csv"))
    assert brought.brought == f"csv:{tmp_path}/b.csv"


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT_WORKER_SOURCE", raising=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError) as caught:
        prepare(choose_world(tmp_path / "file" / "home", None), Notes())
    assert caught.value.code == "home_unusable"
    assert str(tmp_path / "file" / "home") in caught.value.message


def test_a_users_own_data_keeps_the_history_in_the_base_home(tmp_path: Path) -> None:
    world = choose_world(tmp_path, str(tmp_path / "a.csv"))
    assert Session(world, Notes()).world.base == tmp_path
