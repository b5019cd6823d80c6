"""Checks of maps: what each key has to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from port_worker.conformance.terms import FALSE, NIL, TRUE, Atom, show

Check: TypeAlias = Callable[[Any], str]
"""Takes a term; gives what was expected instead, or nothing."""


def breach(term: Any, checks: Mapping[str, Check]) -> str:
    """What is wrong with a map, as 'key: what was expected, got that'; nothing if all is right. More keys may come."""
    if not isinstance(term, dict):
        return f"a map of {', '.join(checks)}"
    for key, check in checks.items():
        if key not in term:
            return f"the key {key}"
        wrong = check(term[key])
        if wrong:
            return f"{key}: {wrong}, not {show(term[key], 60)},"
    return ""


def INTEGER(term: Any) -> str:  # noqa: N802  these are named as types are in SPEC.md's tables
    """An integer."""
    return "" if type(term) is int else "an integer"


def COUNT(term: Any) -> str:  # noqa: N802
    """An integer from 0 on."""
    return "" if type(term) is int and term >= 0 else "an integer from 0 on"


def TEXT(term: Any) -> str:  # noqa: N802
    """A binary in UTF-8."""
    try:
        return "" if isinstance(term, bytes) and term.decode() is not None else "a binary"
    except UnicodeDecodeError:
        return "a binary in UTF-8"


def BOOLEAN(term: Any) -> str:  # noqa: N802
    """`true` or `false`."""
    return "" if isinstance(term, Atom) and term in (TRUE, FALSE) else "true or false"


def SHARE(term: Any) -> str:  # noqa: N802
    """A float from 0.0 to 1.0."""
    return "" if isinstance(term, float) and 0.0 <= term <= 1.0 else "a float from 0.0 to 1.0"


def one_of(*names: str) -> Check:
    """One of some atoms."""
    return lambda term: "" if isinstance(term, Atom) and term in names else f"one of {', '.join(names)}"


SOURCES = ("model", "fold_in", "features", "popular")
SOURCE: Check = one_of(*SOURCES)
"""Where scores are from."""


def list_of(check: Check) -> Check:
    """A list of what passes a check."""

    def judge(term: Any) -> str:
        if not isinstance(term, list):
            return "a list"
        return next((f"in the list, {wrong}" for wrong in map(check, term) if wrong), "")

    return judge


def or_nil(check: Check) -> Check:
    """What passes a check, or `nil`."""
    return lambda term: "" if isinstance(term, Atom) and term == NIL else check(term)


def NUMBER(term: Any) -> str:  # noqa: N802
    """An integer or a float."""
    return "" if type(term) in (int, float) else "a number"


def PAIR(term: Any) -> str:  # noqa: N802
    """`{Id, Score}`, as answers have it."""
    is_pair = isinstance(term, tuple) and len(term) == 2
    return "" if is_pair and type(term[0]) in (int, bytes) and isinstance(term[1], float) else "a pair {Id, float}"


MODEL: Check = or_nil(
    lambda term: breach(
        term, {"version": TEXT, "algorithm": TEXT, "users": COUNT, "items": COUNT, "created_at": INTEGER}
    )
)
"""What answers `recommend`, as hello and status say it."""
