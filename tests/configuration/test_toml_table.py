"""The strict reader of TOML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from port_worker.toml_table import ConfigError, TomlTable, read_toml

FILE = Path("/etc/port_worker.toml")


def table(**values: Any) -> TomlTable:
    return TomlTable(FILE, "gate", values)


def test_each_type_is_given_as_it_is() -> None:
    found = table(a="x", b=3, c=2, d=0.5, e=["p", "q"], f="p", g={"x": 1, "y": 2.5}, h="two")
    assert (found.text("a"), found.integer("b", 0, 9), found.number("c", 0, 9), found.number("d", 0, 1)) == (
        "x", 3, 2.0, 0.5,
    )  # fmt: skip
    assert (found.texts("e"), found.texts("f"), found.numbers("g", 0, 9)) == (("p", "q"), ("p",), {"x": 1.0, "y": 2.5})
    assert found.choice("h", ("one", "two")) == "two"
    found.finish()


def test_what_is_not_there_is_none_or_nothing() -> None:
    found = table()
    absent = (found.text("a"), found.integer("b", 0, 9), found.number("c", 0, 9), found.choice("d", ("x",)))
    assert absent == (None,) * 4
    assert (found.texts("e"), found.numbers("f", 0, 9), found.table("g").text("h")) == ((), {}, None)
    found.finish()


@pytest.mark.parametrize(
    ("value", "ask", "expected"),
    [
        (1, lambda t: t.text("key"), "a text"),
        ("", lambda t: t.text("key"), "a text"),
        (True, lambda t: t.integer("key", 0, 9), "a whole number from 0 to 9"),
        (10, lambda t: t.integer("key", 0, 9), "a whole number from 0 to 9"),
        (1.0, lambda t: t.integer("key", 0, 9), "a whole number from 0 to 9"),
        (0, lambda t: t.number("key", 0, 9, above=True), "a number above 0 to 9"),
        (float("nan"), lambda t: t.number("key", 0, 9), "a number from 0 to 9"),
        (True, lambda t: t.number("key", 0, 9), "a number from 0 to 9"),
        ("1", lambda t: t.number("key", 0, 9), "a number from 0 to 9"),
        ([], lambda t: t.texts("key"), "a text or a list of texts"),
        (["a", 1], lambda t: t.texts("key"), "a text or a list of texts"),
        ("three", lambda t: t.choice("key", ("one", "two")), "one of one, two"),
        ([1], lambda t: t.choice("key", ("one", "two")), "one of one, two"),
        (5, lambda t: t.table("key"), "a table"),
    ],
)
def test_a_value_of_another_kind_is_named(value: object, ask: Callable[[TomlTable], object], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(table(key=value))
    error = caught.value
    assert (error.file, error.table, error.key, error.expected, error.got) == (
        FILE,
        "gate",
        "key",
        expected,
        repr(value),
    )
    assert str(error) == f"{FILE}: gate.key: expected {expected}, got {value!r}"


def test_a_table_within_a_table_is_named_whole() -> None:
    with pytest.raises(ConfigError, match=r"gate\.weights\.visit: expected a number from 0 to 9, got 'x'"):
        table(weights={"visit": "x"}).numbers("weights", 0, 9)


def test_an_unknown_key_is_refused_and_the_known_are_listed() -> None:
    found = table(tolerance=1, tolerence=2)
    found.integer("tolerance", 0, 9)
    found.text("metric")
    with pytest.raises(ConfigError, match="gate: expected one of tolerance, metric as a key, got 'tolerence'"):
        found.finish()


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        table(location=["postgresql://ada:secret@db"]).text("location", secret=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"a = ", "TOML"), (b"a = 1\na = 2\n", "TOML"), (b"a = '\xff'", "TOML in UTF-8"), (None, "a file to read")],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, expected: str) -> None:
    file = tmp_path / "port_worker.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_toml(file)
    assert (caught.value.expected, caught.value.file) == (expected, file)
