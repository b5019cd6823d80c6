from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from port_worker.sources.chunks import CHUNK_ROWS
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.sources.parquet_file import ParquetSource

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

WriteParquet = Callable[..., Path]


@pytest.fixture
def write_parquet(tmp_path: Path) -> WriteParquet:
    """Writes a Parquet file of two rows, with the named columns replaced, and gives its path."""

    def write(**columns: Any) -> Path:
        plain = {"user": [1, 2], "item": ["a", "b"], "label": [1.0, 2.5], "time": [10, 20]}
        path = tmp_path / "visits.parquet"
        parquet.write_table(pyarrow.table(plain | columns), path)
        return path

    return write


def failure(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        ParquetSource(path).interactions()
    return caught.value


def test_reads_integers_text_and_numbers_and_ignores_other_columns(write_parquet: WriteParquet) -> None:
    data = ParquetSource(write_parquet(title=["x", None])).interactions()
    assert (data.users.values.tolist(), data.items.values.tolist()) == ([1, 2], [b"a", b"b"])
    assert (data.weights.tolist(), data.times.tolist()) == ([1.0, 2.5], [10, 20])


@pytest.mark.parametrize(
    "values",
    [
        [datetime(2025, 1, 1, tzinfo=timezone.utc), datetime(2025, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))],
        [datetime(2025, 1, 1, 0, 0, 0, 999_999)] * 2,
        [date(2025, 1, 1)] * 2,
        [1_735_689_600.5] * 2,
    ],
)
def test_times_may_be_timestamps_dates_or_floats(write_parquet: WriteParquet, values: list[Any]) -> None:
    assert ParquetSource(write_parquet(time=values)).interactions().times.tolist() == [1_735_689_600] * 2


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_before_1970_are_the_second_that_they_are_in(write_parquet: WriteParquet, unit: str) -> None:
    moments = pyarrow.array([datetime(1969, 12, 31, 23, 59, 59, 500_000), None], pyarrow.timestamp(unit))
    path = write_parquet(time=moments)
    definition = SourceDefinition(f"parquet:{path}", malformed=0.5)
    assert ParquetSource(path, definition).interactions().times.tolist() == [-1]


@pytest.mark.parametrize("kind", ["large_string", "dictionary"])
def test_text_in_its_other_layouts(write_parquet: WriteParquet, kind: str) -> None:
    types = {"large_string": pyarrow.large_string(), "dictionary": pyarrow.dictionary(pyarrow.int8(), pyarrow.string())}
    data = ParquetSource(write_parquet(item=pyarrow.array(["a", "b"], types[kind]))).interactions()
    assert data.items.values.tolist() == [b"a", b"b"]


def test_integer_and_decimal_labels(write_parquet: WriteParquet) -> None:
    assert ParquetSource(write_parquet(label=[3, 4])).interactions().weights.tolist() == [3.0, 4.0]
    decimals = [Decimal("1.5"), Decimal("2.0")]
    assert ParquetSource(write_parquet(label=decimals)).interactions().weights.tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("user", [1, None]),
        ("item", ["a", None]),
        ("label", [1.0, float("nan")]),
        ("label", [1.0, None]),
        ("time", [1, None]),
        ("item", ["a", ""]),
        ("item", ["a", "b\0"]),
    ],
)
def test_a_wrong_value_is_named_by_its_row(write_parquet: WriteParquet, column: str, values: list[Any]) -> None:
    error = failure(write_parquet(**{column: values}))
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 2, column)


def test_rows_are_counted_across_chunks(write_parquet: WriteParquet) -> None:
    count = CHUNK_ROWS + 5
    times = [*range(count - 1), None]
    path = write_parquet(user=[1] * count, item=[1] * count, label=[1] * count, time=times)
    assert failure(path).details["row"] == count


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("user", [1.0, 2.0]),
        ("user", [True, False]),
        ("user", [[1], [2]]),
        ("item", [b"a", b"b"]),
        ("label", ["1", "2"]),
        ("label", [True, False]),
        ("time", ["1", "2"]),
    ],
)
def test_a_column_of_the_wrong_type(write_parquet: WriteParquet, column: str, values: list[Any]) -> None:
    error = failure(write_parquet(**{column: values}))
    assert (error.code, error.details["row"], error.details["column"]) == ("source_invalid_row", 1, column)


def test_text_that_is_no_utf8_is_named_by_its_row(write_parquet: WriteParquet) -> None:
    offsets, octets = pyarrow.array([0, 1, 3], pyarrow.int32()), pyarrow.py_buffer(b"a\xff\xfe")
    broken = pyarrow.StringArray.from_buffers(2, offsets.buffers()[1], octets)
    error = failure(write_parquet(item=broken))
    assert (error.code, error.details["row"]) == ("source_invalid_row", 2)


def test_integers_beyond_64_bits_signed(write_parquet: WriteParquet) -> None:
    error = failure(write_parquet(user=pyarrow.array([1, 2**63], pyarrow.uint64())))
    assert (error.code, error.details["row"]) == ("source_invalid_row", 2)


def test_missing_and_doubled_columns(tmp_path: Path) -> None:
    path = tmp_path / "few.parquet"
    parquet.write_table(pyarrow.table({"user": [1], "label": [1]}), path)
    assert failure(path).details["missing"] == ["item", "time"]
    names = ["user", "item", "label", "time", "time"]
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array([1])] * 5, names=names), path)
    assert failure(path).code == "source_unreadable"


def test_files_that_are_empty_missing_or_something_else(write_parquet: WriteParquet, tmp_path: Path) -> None:
    nothing = pyarrow.array([], pyarrow.int64())
    assert failure(write_parquet(user=nothing, item=nothing, label=nothing, time=nothing)).code == "source_empty"
    assert failure(tmp_path / "nowhere.parquet").code == "source_missing"
    assert failure(tmp_path).code == "source_unreadable"
    for content in (b"", b"user,item,label,time\n1,2,3,4\n", b"PAR1" + b"\0" * 50 + b"PAR1"):
        (tmp_path / "odd.parquet").write_bytes(content)
        assert failure(tmp_path / "odd.parquet").code == "source_unreadable"


def test_a_file_cut_in_its_middle_is_unreadable(write_parquet: WriteParquet, tmp_path: Path) -> None:
    whole = write_parquet().read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    assert failure(cut).code == "source_unreadable"


def test_without_pyarrow_the_extra_is_named(write_parquet: WriteParquet, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = failure(path)
    assert error.code == "source_unreadable"
    assert "extra `train`" in error.message
