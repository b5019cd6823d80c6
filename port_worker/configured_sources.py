"""The tables `[sources.NAME]` of the configuration file, as definitions."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from port_worker.sources.definition import ISOLATIONS, InteractionTable, ItemTable, SourceDefinition, UserTable
from port_worker.toml_table import TomlTable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]*:)?(.*)", re.DOTALL)
_OF_FILES = {"", "sqlite:", "csv:", "parquet:"}
_MOST_ROWS = 10**9
_MOST_DAYS = 100_000.0
_LARGEST_WEIGHT = 1e6
_MOST_SECONDS = 86_400.0
_Table = TypeVar("_Table", ItemTable, UserTable)


def definitions(sources: TomlTable, folder: Path) -> dict[str, SourceDefinition]:
    """Each table's definition by its name. Paths of files are relative to `folder`. Raises ConfigError."""
    found = {}
    for name, table in sources.tables().items():
        if not _NAME.fullmatch(name):
            raise sources.refusal(name, "a name of 1 to 64 letters, digits, - and _", name)
        found[name] = _definition(name, table, folder)
    return found


def _definition(name: str, table: TomlTable, folder: Path) -> SourceDefinition:
    location, variable = table.text("location", secret=True), table.text("location_variable")
    if (location is None) == (variable is None):
        raise table.refusal("", "either location or location_variable", "both" if location else "neither", shown=True)
    chosen: dict[str, Any] = {
        "weights": table.numbers("weights", -_LARGEST_WEIGHT, _LARGEST_WEIGHT),
        "window_days": table.number("window_days", 0, _MOST_DAYS, above=True),
        "minimum_user_rows": table.integer("minimum_user_rows", 1, _MOST_ROWS),
        "minimum_item_rows": table.integer("minimum_item_rows", 1, _MOST_ROWS),
        "malformed": table.number("malformed", 0, 1),
        "isolation": table.choice("isolation", ISOLATIONS),
        "page_rows": table.integer("page_rows", 1, 1_000_000),
        "connect_timeout_s": table.number("connect_timeout_seconds", 0, _MOST_SECONDS, above=True),
        "statement_timeout_s": table.number("statement_timeout_seconds", 0, _MOST_SECONDS, above=True),
    }
    definition = SourceDefinition(
        name=name,
        location=_from_folder(location or "", folder),
        location_variable=variable,
        interactions=_interactions(table.table("interactions")),
        items=_names(ItemTable, table.table("items")),
        users=_names(UserTable, table.table("users")),
        **{key: value for key, value in chosen.items() if value is not None},
    )
    table.finish()
    return definition


def _from_folder(location: str, folder: Path) -> str:
    """The location, with the path of a file made absolute; an address of a server is left as it is."""
    matched = _SCHEME.fullmatch(location)
    assert matched is not None
    scheme, path = matched[1] or "", matched[2]
    return f"{scheme}{folder / Path(path).expanduser()}" if path and scheme.lower() in _OF_FILES else location


def _interactions(table: TomlTable) -> InteractionTable:
    names = {each.name: table.text(each.name) for each in fields(InteractionTable) if each.name != "key"}
    found = InteractionTable(**names, key=table.texts("key"))
    table.finish()
    return found


def _names(kind: type[_Table], table: TomlTable) -> _Table:
    given = {each.name: table.text(each.name) for each in fields(kind)}
    table.finish()
    return kind(**{name: text for name, text in given.items() if text is not None})
