"""Interactions from a CSV file: UTF-8, commas, a header with user, item, label and time in any order."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice

from port_worker.sources import errors
from port_worker.sources.chunks import CHUNK_ROWS, Chunk
from port_worker.sources.columns import TEXT_RULES
from port_worker.sources.files import FileSource

_Record = tuple[int, list[str]]


class CsvSource(FileSource):
    """A CSV file. An error names the line on which its record begins, the header being line 1; blank lines are skipped.

    Bytes that are not UTF-8 become lone surrogates, which no rule accepts: so they are refused where they matter, with
    their line, and a column that is ignored may hold anything.
    """

    scheme = "csv"
    rules = TEXT_RULES

    def _chunks(self) -> Iterator[Chunk]:
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            records = self._records(file)
            _, header = next(records, (1, []))
            self._check_header(header)
            positions = [header.index(column) for column in self.columns]
            while chunk := list(islice(records, CHUNK_ROWS)):
                yield self._chunk(chunk, positions, len(header))

    def _records(self, file: Iterable[str]) -> Iterator[_Record]:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
        except csv.Error as error:  # Python 3.10 says so of any NUL
            if line == 1:
                raise errors.unreadable(self.origin, f"its header is not CSV: {error}") from None
            raise errors.invalid_record(self.origin, ("line", line), f"not a CSV record: {error}") from None

    def _check_header(self, header: list[str]) -> None:
        if not header:
            raise errors.empty(self.origin, "the file is empty; expected a header and rows")
        if "\0" in "".join(header) or not _is_unicode(header):
            raise errors.unreadable(self.origin, "its first line is not UTF-8 text, so this is not a CSV file in UTF-8")
        absent = [column for column in self.columns if column not in header]
        if absent:
            raise errors.missing_column(self.origin, absent, [errors.clipped(name) for name in header[:20]])
        twice = [column for column in self.columns if header.count(column) > 1]
        if twice:
            why = f"the header names {', '.join(twice)} more than once"
            raise errors.invalid_record(self.origin, ("line", 1), why)

    def _chunk(self, records: list[_Record], positions: list[int], width: int) -> Chunk:
        whole = [(line, fields) for line, fields in records if len(fields) == width]
        refused = [self._refused(line, len(fields), width) for line, fields in records if len(fields) != width]
        users, items, labels, times = ([fields[position] for _, fields in whole] for position in positions)
        return Chunk((users, items, labels, times), [("line", line) for line, _ in whole], refused)

    def _refused(self, line: int, found: int, width: int) -> errors.SourceError:
        why = f"expected {width} fields, as in the header, found {found}"
        return errors.invalid_record(self.origin, ("line", line), why)


def _is_unicode(header: list[str]) -> bool:
    try:
        "".join(header).encode()
    except UnicodeEncodeError:
        return False
    return True
