"""PostgreSQL's types, which CockroachDB shares, by their numbers: which may be ids, weights and times."""

from __future__ import annotations

INTEGERS = {21: ">i2", 23: ">i4", 20: ">i8"}
FLOAT8 = 701
FLOATS = {700: ">f4", FLOAT8: ">f8"}
NUMERIC = 1700
BOOLEAN = 16
UUID = 2950
TEXTS = (25, 1043, 1042, 19)  # text, varchar, char(n), name
TIMESTAMP, TIMESTAMPTZ, DATE = 1114, 1184, 1082

NUMBERS = {*INTEGERS, *FLOATS, NUMERIC}
TIMES = {TIMESTAMP, TIMESTAMPTZ, DATE}
IDS = {*INTEGERS, UUID, *TEXTS}
FEATURES = {*NUMBERS, *TEXTS, BOOLEAN}

EPOCH_S = 946_684_800  # 2000-01-01 UTC, from which the binary format counts, in unix seconds


def array_of(kind: int) -> str:
    """The name of the type of an array of ids."""
    return "bigint[]" if kind in INTEGERS else "uuid[]" if kind == UUID else "text[]"


def as_seconds(column: str, kind: int) -> str:
    """The SQL of a column's unix seconds; a timestamp without a time zone is in UTC."""
    if kind in TIMES:
        return f"extract(epoch FROM {column})::float8"
    return column if kind in INTEGERS else f"{column}::float8"


def newer_than(column: str, kind: int, bound: float) -> str:
    """The SQL of the condition that a column's time is after `bound`, in unix seconds, or unknown."""
    limit = repr(float(bound))
    if kind == TIMESTAMPTZ:
        limit = f"to_timestamp({limit})"
    elif kind in TIMES:
        limit = f"(to_timestamp({limit}) AT TIME ZONE 'UTC')"
    return f"({column} IS NULL OR {column} > {limit})"


def as_feature(column: str, kind: int) -> str:
    """The SQL of a column as text, a whole number or a float."""
    if kind == BOOLEAN:
        return f"{column}::int"
    return f"{column}::float8" if kind == NUMERIC or kind in FLOATS else column
