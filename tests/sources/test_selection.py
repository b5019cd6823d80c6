"""What a definition says of which rows to learn, in files and SQLite; of databases, test_postgresql.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from port_worker.sources.base import Source, Visit
from port_worker.sources.definition import InteractionTable, ItemTable, SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.sources.registry import open_source
from tests.sources.samples import WriteCsv, WriteSqlite

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

Rows = list[tuple[Any, Any, Any, Any]]  # user, item, weight or kind, time
Write = Callable[..., Source]
DAY = 86_400


@pytest.fixture(params=["csv", "parquet", "sqlite"])
def write(request: pytest.FixtureRequest, tmp_path: Path, write_csv: WriteCsv, write_sqlite: WriteSqlite) -> Write:
    """Writes rows, and gives the source of this definition."""

    def write(rows: Rows, **definition: Any) -> Source:
        by_kind = "weights" in definition
        path = tmp_path / f"visits.{request.param}"
        if request.param == "csv":
            header = f"user,item,{'kind' if by_kind else 'label'},time\n"
            path = write_csv(
                header + "".join(",".join("" if v is None else str(v) for v in row) + "\n" for row in rows)
            )
        elif request.param == "parquet":
            names = ("user", "item", "kind" if by_kind else "label", "time")
            columns = zip(*rows, strict=True)
            parquet.write_table(pyarrow.table(dict(zip(names, map(list, columns), strict=True))), path)
        else:
            items = [(item, "map", item, 1) for item in {row[1] for row in rows}]
            met = [(u, i, s if by_kind else "visit", 1 if by_kind else s, time) for u, i, s, time in rows]
            path = write_sqlite(met, items)
        return open_source(SourceDefinition(f"{request.param}:{path}", "visits", **definition))

    return write


def failure(source: Source, since: float | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.interactions(since=since)
    return caught.value


ROWS: Rows = [("u1", "a", 1.0, 10), ("u1", "b", 1.0, 20), ("u2", "a", 1.0, 30), ("u3", "c", 2.0, 40)]


def test_kinds_have_weights(write: Write) -> None:
    source = write([("u", "a", "visit", 1), ("u", "b", "favourite", 2)], weights={"visit": 1.0, "favourite": 3.0})
    assert source.interactions().weights.tolist() == [1.0, 3.0]


def test_a_kind_without_a_weight_is_named(write: Write) -> None:
    error = failure(write([("u", "a", "visit", 1), ("u", "b", "like", 2)], weights={"visit": 1.0}))
    assert (error.code, error.details["column"], error.details["got"]) == ("source_invalid_row", "kind", "'like'")
    assert error.details["expected"] == "a kind that has a weight: visit"


def test_only_what_is_newer(write: Write) -> None:
    source = write(ROWS)
    newer = source.interactions(since=20)
    assert newer.times.tolist() == [30, 40]
    assert newer.users.ids.tolist() == [b"u2", b"u3"]
    assert failure(source, since=40).code == "source_empty"
    assert len(source.interactions()) == 4


def test_a_window_of_days(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("files", "sqlite"):
        monkeypatch.setattr(f"port_worker.sources.{module}.wall_clock", lambda: 2 * DAY + 25.0)
    assert write(ROWS, window_days=2.0).interactions().times.tolist() == [30, 40]
    error = failure(write(ROWS, window_days=0.5))
    assert error.code == "source_empty"
    assert f"after {round(1.5 * DAY) + 25}" in error.message


def test_minimum_counts_are_of_all_rows(write: Write) -> None:
    """u2 has too few rows; a keeps its two nevertheless, of which one is u2's."""
    data = write(ROWS, minimum_item_rows=2).interactions()
    assert (data.users.values.tolist(), data.items.ids.tolist()) == ([b"u1", b"u2"], [b"a"])
    data = write(ROWS, minimum_user_rows=2, minimum_item_rows=2).interactions()
    assert (data.users.values.tolist(), data.items.values.tolist()) == ([b"u1"], [b"a"])
    assert failure(write(ROWS, minimum_user_rows=3)).code == "source_empty"
    assert len(write(ROWS, minimum_user_rows=3).interactions(since=0)) == 4


def test_malformed_rows_are_skipped_up_to_a_share(write: Write) -> None:
    rows = [("u1" if n else None, f"i{n % 3}", 1.0, n if n != 5 else None) for n in range(20)]
    data = write(rows, malformed=0.1).interactions()
    assert (len(data), data.skipped) == (18, 2)
    assert data.times.tolist() == [n for n in range(20) if n not in {0, 5}]
    error = failure(write(rows, malformed=0.09))
    assert (error.code, error.details["malformed"], error.details["rows"]) == ("source_invalid_row", 2, 20)
    assert error.details["column"] in {"user", "user_id"}
    assert failure(write(rows)).details["column"] in {"user", "user_id"}


def test_all_malformed_is_refused(write: Write) -> None:
    rows: Rows = [(None, "a", 1.0, 1), ("u", "a", None, 1)]
    assert failure(write(rows, malformed=1.0)).code == "source_empty"


def test_records_of_the_wrong_width_are_malformed_rows(write_csv: WriteCsv) -> None:
    path = write_csv("user,item,label,time\n1,2,3,4\n1,2\n5,6,7,8\n1,2,3,4,5\n")
    data = open_source(SourceDefinition(f"csv:{path}", malformed=0.5)).interactions()
    assert (data.users.values.tolist(), data.skipped) == ([1, 5], 2)
    error = failure(open_source(SourceDefinition(f"csv:{path}", malformed=0.4)))
    assert (error.details["line"], error.details["malformed"]) == (3, 2)
    assert failure(open_source(f"csv:{path}")).details["line"] == 3


def test_bytes_that_are_no_utf8_can_be_skipped(write_csv: WriteCsv) -> None:
    path = write_csv(b"user,item,label,time\n\xff,a,1,1\nu,a,1,2\n")
    assert open_source(SourceDefinition(f"csv:{path}", malformed=0.5)).interactions().skipped == 1


def test_columns_have_other_names(write_csv: WriteCsv, write_sqlite: WriteSqlite) -> None:
    columns = InteractionTable(user="who", item="what", weight="stars", time="at")
    path = write_csv("at,stars,what,who\n4,3,2,1\n")
    data = open_source(SourceDefinition(f"csv:{path}", interactions=columns)).interactions()
    assert (data.users.values[0], data.items.values[0], data.weights[0], data.times[0]) == (1, 2, 3, 4)
    path = write_sqlite([("u", "m", "visit", 1, 10), ("u", "n", "favourite", 1, 20)], [("m", "map", "M", 1)])
    with sqlite3.connect(path) as connection:
        connection.executescript("""
            ALTER TABLE interactions RENAME TO "visits ""of"" users";
            ALTER TABLE items RENAME TO things; ALTER TABLE things RENAME COLUMN is_public TO shown;""")
    connection.close()
    source = open_source(
        SourceDefinition(
            f"sqlite:{path}",
            interactions=InteractionTable('visits "of" users'),
            items=ItemTable("things", public="shown"),
            weights={"visit": 2.0, "favourite": 4.0},
        )
    )
    assert source.interactions().weights.tolist() == [2.0]
    assert source.history("u", 5) == [Visit("m", "visit", 2.0, 10)]
