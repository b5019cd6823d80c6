"""Sources by name: the configuration file, and what wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.config import Settings, settings
from port_worker.sources.definition import InteractionTable, ItemTable, SourceDefinition, UserTable
from port_worker.sources.errors import SourceError
from port_worker.toml_table import ConfigError

FULL = """
default_source = "uro"

[sources.uro]
location_variable = "URO_DATABASE_URL"
weights = { visit = 1, favourite = 3.5 }
window_days = 90
minimum_user_rows = 2
minimum_item_rows = 3
malformed = 0.01
isolation = "serializable"
page_rows = 1000
connect_timeout_seconds = 5
statement_timeout_seconds = 60

[sources.uro.interactions]
table = "uro.visits"
user = "visitor"
time = "inserted_at"
key = ["inserted_at", "id"]

[sources.uro.items]
public = "shared"

[sources.uro.users]
name = "title"

[sources.ratings]
location = "csv:data/ratings.csv"
"""


def write(home: Path, content: str) -> Path:
    file = home / "port_worker.toml"
    file.write_text(content)
    return file


def chosen(home: Path, source: str | None = None, **environ: str) -> Settings:
    return settings(home=home, source=source, environ=environ)


def test_a_source_with_everything(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    found = chosen(tmp_path)
    assert found.source == SourceDefinition(
        name="uro",
        location_variable="URO_DATABASE_URL",
        interactions=InteractionTable("uro.visits", user="visitor", time="inserted_at", key=("inserted_at", "id")),
        items=ItemTable(public="shared"),
        users=UserTable(name="title"),
        weights={"visit": 1.0, "favourite": 3.5},
        window_days=90.0,
        minimum_user_rows=2,
        minimum_item_rows=3,
        malformed=0.01,
        isolation="serializable",
        page_rows=1000,
        connect_timeout_s=5.0,
        statement_timeout_s=60.0,
    )
    assert found.source_named("ratings").location == f"csv:{tmp_path}/data/ratings.csv"
    assert (found.default_source, sorted(found.sources)) == ("uro", ["ratings", "uro"])


def test_without_a_file_there_is_the_home_s_world(tmp_path: Path) -> None:
    found = chosen(tmp_path)
    assert found.sources == {"default": SourceDefinition(f"sqlite:{tmp_path}/world.sqlite")}
    assert found.source.name == "default"


def test_an_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    assert chosen(tmp_path, PORT_WORKER_SOURCE="csv:e.csv").source == SourceDefinition("csv:e.csv")
    assert chosen(tmp_path, "csv:o.csv", PORT_WORKER_SOURCE="csv:e.csv").source.location == "csv:o.csv"
    assert chosen(tmp_path, "ratings").source.name == "ratings"
    assert "uro" in chosen(tmp_path, "csv:o.csv").sources


def test_a_file_may_be_elsewhere(tmp_path: Path) -> None:
    other = tmp_path / "etc"
    other.mkdir()
    file = write(other, '[sources.a]\nlocation = "sqlite:a.sqlite"\n')
    assert chosen(tmp_path, PORT_WORKER_CONFIG=str(file)).sources["a"].location == f"sqlite:{other}/a.sqlite"
    assert settings(home=tmp_path, config=file, environ={}).sources["a"].name == "a"
    with pytest.raises(ConfigError, match="expected a file to read"):
        settings(home=tmp_path, config=tmp_path / "none.toml", environ={})


def test_sources_that_are_not_named_default_leave_the_world_the_default(tmp_path: Path) -> None:
    write(tmp_path, '[sources.a]\nlocation = "a.csv"\n')
    assert chosen(tmp_path).source.location == f"sqlite:{tmp_path}/world.sqlite"
    write(tmp_path, '[sources.default]\nlocation = "/abs/a.csv"\n')
    assert chosen(tmp_path).source.location == "/abs/a.csv"


def test_an_address_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, '[sources.a]\nlocation = "postgresql://ada:secret@db/uro"\n')
    assert chosen(tmp_path).sources["a"].location == "postgresql://ada:secret@db/uro"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[gates]", "expected one of default_source, sources as a key, got 'gates'"),
        ("sources = 1", "sources: expected a table, got 1"),
        ("[sources.a]", "sources.a: expected either location or location_variable, got neither"),
        ("[sources.a]\nlocation = 'a.csv'\nlocation_variable = 'A'", "location_variable, got both"),
        ("[sources.a]\nlocation = 'a.csv'\nwindow = 1", "sources.a: expected one of .* as a key, got 'window'"),
        ("[sources.a]\nlocation = 'a.csv'\nwindow_days = 0", "sources.a.window_days: expected a number above 0"),
        ("[sources.a]\nlocation = 'a.csv'\nmalformed = 1.5", "sources.a.malformed: expected a number from 0 to 1"),
        ("[sources.a]\nlocation = 'a.csv'\nisolation = 'none'", "expected one of repeatable read, serializable"),
        ("[sources.a]\nlocation = 'a.csv'\nweights = {visit = 'x'}", "sources.a.weights.visit: expected a number"),
        ("[sources.a]\nlocation = 'a.csv'\n[sources.a.items]\nkey = 'x'", "sources.a.items: expected one of table, id"),
        ("[sources.'a b']\nlocation = 'a.csv'", "sources.a b: expected a name of 1 to 64 letters"),
        ("default_source = 'b'\n[sources.a]\nlocation = 'a.csv'", "default_source: expected one of .*: a, got 'b'"),
        ("default_source = 'b'", "default_source: expected one of"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str, says: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(ConfigError, match=says) as caught:
        chosen(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    write(tmp_path, FULL)
    with pytest.raises(SourceError, match="expected one of ratings, uro, got 'visits'") as caught:
        chosen(tmp_path).source_named("visits")
    assert (caught.value.code, caught.value.details["known"]) == ("invalid_argument", ["ratings", "uro"])
