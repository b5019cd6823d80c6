"""What a definition shows of its location, and its way to the trainer."""

from __future__ import annotations

import json

import pytest

from port_worker.sources.definition import InteractionTable, ItemTable, SourceDefinition, UserTable
from port_worker.sources.errors import SourceError
from port_worker.sources.registry import open_source


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("postgresql://ada:secret@db.example:5433/uro?sslmode=require", "postgresql://ada@db.example:5433/uro"),
        ("cockroachdb://ada@db/uro?password=secret", "cockroachdb://ada@db/uro"),
        ("postgresql://db/uro", "postgresql://db/uro"),
        ("postgresql:///uro?host=/run/postgresql", "postgresql:///uro"),
        ("postgresql://ada:sec/ret@db/uro", "postgresql://..."),
        ("postgresql://ada:sec?ret@db/uro", "postgresql://..."),
        ("postgresql://ada:sec#ret@db/uro", "postgresql://..."),
        ("postgresql://ada:sec@ret@db/uro", "postgresql://..."),
        ("postgresql://ada:secret@db:port/uro", "postgresql://..."),
        ("postgresql:ada:secret@db/uro", "postgresql:..."),
        ("csv:/data/me@home/x.csv", "csv:/data/me@home/x.csv"),
        ("/data/me@home/x.csv", "/data/me@home/x.csv"),
    ],
)
def test_a_password_is_not_shown(location: str, shown: str) -> None:
    definition = SourceDefinition(location)
    assert definition.shown_location == shown
    assert "sec" not in repr(definition)


def test_a_variable_holds_the_location_until_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = SourceDefinition(name="uro", location_variable="URO_URL")
    assert definition.shown_location == "$URO_URL"
    monkeypatch.delenv("URO_URL", raising=False)
    with pytest.raises(SourceError, match="source uro: expected its location in the variable URO_URL") as caught:
        open_source(definition)
    assert caught.value.code == "invalid_argument"
    monkeypatch.setenv("URO_URL", "csv:/data/visits.csv")
    assert open_source(definition).spec == "csv:/data/visits.csv"
    assert "secret" not in json.dumps(definition.as_json())


def test_a_definition_comes_back_from_json() -> None:
    definition = SourceDefinition(
        "sqlite:w",
        "uro",
        interactions=InteractionTable("visits", time="at", key=("a", "b")),
        items=ItemTable(public="shown"),
        users=UserTable(id="uid"),
        weights={"visit": 1.0},
        window_days=3.0,
        malformed=0.5,
        isolation="serializable",
    )
    assert SourceDefinition.from_json(json.loads(json.dumps(definition.as_json()))) == definition


@pytest.mark.parametrize("document", [None, "csv:x", {}, {"items": 1}, {"interactions": {"x": 1}, "other": 1}])
def test_anything_else_is_no_definition(document: object) -> None:
    with pytest.raises(ValueError, match="no definition of a source"):
        SourceDefinition.from_json(document)


def test_errors_name_the_source(tmp_path: object) -> None:
    source = open_source(SourceDefinition(f"csv:{tmp_path}/none.csv", "visits"))
    with pytest.raises(SourceError, match=r"^source visits \(.*none.csv\): no such file") as caught:
        source.interactions()
    assert caught.value.details["source"] == "visits"
