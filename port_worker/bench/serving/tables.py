"""Tables of numbers, and the forms of the numbers in them."""

from __future__ import annotations

from rich.table import Table

_NONE = "-"


def table(first: str, *others: str) -> Table:
    """One whose columns but the first are numbers."""
    found = Table(first, *others)
    for column in found.columns[1:]:
        column.justify = "right"
    return found


def milliseconds(value: float | None) -> str:
    """Three digits, or more before the point."""
    if value is None:
        return _NONE
    return f"{value:,.3f}" if value < 1 else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def ratio(value: float | None) -> str:
    """Two digits behind the point."""
    return _NONE if value is None else f"{value:,.2f}"


def megabytes(value: float | None) -> str:
    """Of bytes; millions of them."""
    return _NONE if value is None else f"{value / 1e6:,.0f}"


def share(value: float | None) -> str:
    """Of 0..1, three digits."""
    return _NONE if value is None else f"{value:.3f}"
