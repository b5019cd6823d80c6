"""The forms of numbers in tables, pages and sentences."""

from __future__ import annotations

NONE = "-"
_QUANTITIES = (
    ("_bytes_per_hour", "MB/h", 1e-6),
    ("_bytes", "MB", 1e-6),
    ("_ms", "ms", 1.0),
    ("_s", "s", 1.0),
    ("seconds", "s", 1.0),
    ("error_rate", "%", 100.0),
    ("_share", "%", 100.0),
    ("rate", "/s", 1.0),
)
"""How a field's name ends, its unit for people, and how many of that one of the field's is."""


def milliseconds(value: float | None) -> str:
    """Two digits behind the point, fewer from a hundred on."""
    return number(value, 2)


def number(value: float | None, digits: int = 1) -> str:
    """Digits behind the point that are worth reading: one less from 100 on, none from 1,000."""
    if value is None:
        return NONE
    return f"{value:,.{max(0, digits - sum(abs(value) >= bound for bound in (100, 1000)))}f}"


def rate(value: float | None) -> str:
    """Calls a second, one digit behind the point: 199.6 is not 200."""
    return NONE if value is None else f"{value:,.1f}"


def count(value: float | None) -> str:
    """Whole."""
    return NONE if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """Of 0..1, as a percentage with two digits."""
    return NONE if value is None else f"{value:.2%}"


def percent(value: float | None) -> str:
    """Of 0..1, as a whole percentage."""
    return NONE if value is None else f"{value:.0%}"


def megabytes(value: float | None) -> str:
    """Of bytes; millions of them, one digit behind the point."""
    return NONE if value is None else f"{value / 1e6:,.1f}"


def ratio(value: float | None) -> str:
    """Three digits behind the point: half a percent is seen."""
    return NONE if value is None else f"{value:.3f}"


def named(name: str) -> tuple[str, str, float]:
    """A field's name for people, its unit, and the factor to that: `rss_slope_bytes_per_hour` is rss slope, MB/h, 1e-6.

    Without a unit in the name the unit is empty and the factor 1.
    """
    for ending, unit, factor in _QUANTITIES:
        if name.endswith(ending):
            kept = name.removesuffix(ending) if ending.startswith("_") else name
            return kept.replace("_", " "), unit, factor
    return name.replace("_", " "), "", 1.0


def plain(value: object, factor: float = 1.0) -> str:
    """Any JSON-like value as text; numbers times a factor."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and factor == 1.0:
        return count(value)
    return number(value * factor, 2) if isinstance(value, int | float) else str(value)
