"""A strict reader of TOML: each key that a table may have is asked for by its type, and nothing else may be in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SHOWN_CHARACTERS = 60
_Choice = TypeVar("_Choice", bound=str)


class ConfigError(ValueError):
    """A configuration file cannot be used. What was found is not shown where it may be secret.

    Attributes: `file`; `table`, dotted, empty for the top; `key`; `expected` and `got`, both texts.
    """

    def __init__(self, file: Path, table: str, key: str, expected: str, got: str) -> None:
        place = ".".join(part for part in (table, key) if part)
        super().__init__(f"{file}: {f'{place}: ' if place else ''}expected {expected}, got {got}")
        self.file, self.table, self.key, self.expected, self.got = file, table, key, expected, got


class TomlTable:
    """One table of a file. Ask for every key that is known, then call `finish`, which refuses what is left."""

    def __init__(self, file: Path, name: str, values: Mapping[str, Any]) -> None:
        self._file, self._name = file, name
        self._left = dict(values)
        self._known: list[str] = []

    @property
    def name(self) -> str:
        """Dotted; empty for the top."""
        return self._name

    def table(self, key: str) -> TomlTable:
        """The table at `key`; an empty one where there is none."""
        value = self._take(key)
        if not isinstance(value, dict | None):
            raise self.refusal(key, "a table", value)
        return TomlTable(self._file, f"{self._name}.{key}" if self._name else key, value or {})

    def tables(self) -> dict[str, TomlTable]:
        """Every key that is left, each a table, by name."""
        return {key: self.table(key) for key in list(self._left)}

    def text(self, key: str, *, secret: bool = False) -> str | None:
        """A text that is not empty; None where there is none. A secret one is not shown in errors."""
        value = self._take(key)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self.refusal(key, "a text", "something else" if secret else value, shown=secret)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text; none where there is none."""
        value = self._take(key)
        values = [value] if isinstance(value, str) else value
        if values is None:
            return ()
        if not isinstance(values, list) or not values or not all(isinstance(each, str) and each for each in values):
            raise self.refusal(key, "a text or a list of texts", value)
        return tuple(values)

    def choice(self, key: str, choices: Sequence[_Choice]) -> _Choice | None:
        """One of a few texts; None where there is none."""
        value = self._take(key)
        for choice in choices:
            if value == choice:
                return choice
        if value is None:
            return None
        raise self.refusal(key, f"one of {', '.join(choices)}", value)

    def integer(self, key: str, least: int, most: int) -> int | None:
        """A whole number in a range; None where there is none."""
        value = self._take(key)
        if value is None or (type(value) is int and least <= value <= most):
            return value
        raise self.refusal(key, f"a whole number from {least} to {most}", value)

    def number(self, key: str, least: float, most: float, *, above: bool = False) -> float | None:
        """A number in a range, whose lower bound is left out with `above`; None where there is none."""
        value = self._take(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not least <= value <= most or (above and value == least):
            raise self.refusal(key, f"a number {'above' if above else 'from'} {least:g} to {most:g}", value)
        return float(value)

    def numbers(self, key: str, least: float, most: float) -> dict[str, float]:
        """A table of numbers in a range, by their names; an empty one where there is none."""
        table = self.table(key)
        names = list(table._left)
        return {name: number for name in names if (number := table.number(name, least, most)) is not None}

    def finish(self) -> None:
        """Raise ConfigError for a key that nobody asked for."""
        for key in self._left:
            known = f"one of {', '.join(self._known)}" if self._known else "nothing"
            raise ConfigError(self._file, self._name, "", f"{known} as a key", _shown(key))

    def refusal(self, key: str, expected: str, got: object, *, shown: bool = False) -> ConfigError:
        """The error for the value of `key`; `shown` says that `got` is a text to be shown as it is."""
        return ConfigError(self._file, self._name, key, expected, str(got) if shown else _shown(got))

    def _take(self, key: str) -> Any:
        self._known.append(key)
        return self._left.pop(key, None)


def read_toml(file: Path) -> TomlTable:
    """The top table of a file. Raises ConfigError when it cannot be read, or is no TOML."""
    try:
        return TomlTable(file, "", tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(file, "", "", "a file to read", (error.strerror or str(error)).lower()) from None
    except UnicodeDecodeError:
        raise ConfigError(file, "", "", "TOML in UTF-8", "bytes that are no UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(file, "", "", "TOML", str(error)) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
