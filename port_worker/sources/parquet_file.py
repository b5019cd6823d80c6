"""Interactions from a Parquet file, which needs pyarrow: the extra `train` has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from port_worker.sources import errors
from port_worker.sources.chunks import CHUNK_ROWS, Chunk
from port_worker.sources.columns import TYPED_RULES
from port_worker.sources.files import FileSource

if TYPE_CHECKING:
    import pyarrow

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class ParquetSource(FileSource):
    """A Parquet file. Ids are integers or strings, labels numbers, times seconds or timestamps; rows count from 1."""

    scheme = "parquet"
    rules = TYPED_RULES

    def _chunks(self) -> Iterator[Chunk]:
        try:
            import pyarrow
        except ImportError:
            raise errors.unreadable(self.origin, "reading Parquet needs the extra `train`, which has pyarrow") from None
        try:
            yield from self._batches()
        except pyarrow.ArrowException as error:
            raise errors.unreadable(self.origin, f"not a readable Parquet file: {errors.clipped(str(error))}") from None

    def _batches(self) -> Iterator[Chunk]:
        from pyarrow.parquet import ParquetFile

        with self.path.open("rb") as opened, ParquetFile(opened) as file:
            self._check_names(file.schema_arrow.names)
            row = 1
            for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=list(self.columns)):
                if batch.num_rows:
                    users, items, labels, times = (_values(batch.column(name)) for name in self.columns)
                    places = [("row", number) for number in range(row, row + batch.num_rows)]
                    yield Chunk((users, items, labels, times), places)
                row += batch.num_rows

    def _check_names(self, names: list[str]) -> None:
        absent = [column for column in self.columns if column not in names]
        if absent:
            raise errors.missing_column(self.origin, absent, [errors.clipped(name) for name in names[:20]])
        twice = [column for column in self.columns if names.count(column) > 1]
        if twice:
            raise errors.unreadable(self.origin, f"it has more than one column named {', '.join(twice)}")


def _values(column: pyarrow.Array) -> list[Any]:
    """Python values; timestamps and dates as whole seconds, decimals as floats, text that is no UTF-8 as bytes."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"), safe=False)
    if pa.types.is_timestamp(column.type):
        # Not by a cast to seconds, which takes what is just before 1970 for just after.
        per_second = _PER_SECOND[column.type.unit]
        return [None if value is None else value // per_second for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="surrogateescape")
