from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.sources.chunks import CHUNK_ROWS
from port_worker.sources.csv_file import CsvSource
from port_worker.sources.errors import SourceError
from tests.sources.samples import WriteCsv

HEADER = "user,item,label,time\n"


def failure(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        CsvSource(path).interactions()
    return caught.value


def test_reads_columns_in_any_order_and_ignores_the_others(write_csv: WriteCsv) -> None:
    path = write_csv('time,title,item,user,label\n30,"A, or B",m1,7,4.5\n10,,m2,-2,1e0\n')
    data = CsvSource(path).interactions()
    assert (data.users.values.tolist(), data.items.values.tolist()) == ([7, -2], [b"m1", b"m2"])
    assert (data.weights.tolist(), data.times.tolist()) == ([4.5, 1.0], [30, 10])
    assert (str(data.users.ids.dtype), str(data.weights.dtype), str(data.times.dtype)) == ("int64", "float32", "int64")
    assert len(data) == 2


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_line_end_a_byte_order_mark_and_blank_lines_are_fine(write_csv: WriteCsv, line_end: str) -> None:
    text = "\ufeff" + line_end.join(["", "user,item,label,time", "", "é,世界,1,2", "", ""])
    data = CsvSource(write_csv(text)).interactions()
    assert [value.decode() for value in (*data.users.values, *data.items.values)] == ["é", "世界"]


def test_ids_keep_their_whole_width_across_chunks(write_csv: WriteCsv) -> None:
    rows = [f"u{'x' * (row // CHUNK_ROWS)},{row},1,{row}\n" for row in range(2 * CHUNK_ROWS + 1)]
    seen: list[int] = []
    data = CsvSource(write_csv(HEADER + "".join(rows))).interactions(seen.append)
    assert (data.users.values[0], data.users.values[-1], data.items.values[-1]) == (b"u", b"uxx", 2 * CHUNK_ROWS)
    assert seen == [CHUNK_ROWS, 2 * CHUNK_ROWS, 2 * CHUNK_ROWS + 1]


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        ("x,2,3,4", "user", "'x'"),
        ("1,,3,4", "item", "''"),
        ("1,2,five,4", "label", "'five'"),
        ("1,2,nan,4", "label", "'nan'"),
        ("1,2,3,yesterday", "time", "'yesterday'"),
        ("1,2,3,inf", "time", "'inf'"),
        ("1,99999999999999999999,x,4", "item", "'99999999999999999999'"),
    ],
)
def test_a_wrong_value_far_down_is_named_by_its_line(write_csv: WriteCsv, row: str, column: str, found: str) -> None:
    good = "1,2,3,4\n"
    error = failure(write_csv(HEADER + good * 69_999 + row + "\n" + good * 10))
    assert error.code == "source_invalid_row"
    assert (error.details["line"], error.details["column"], error.details["got"]) == (70_001, column, found)
    assert f"line 70001, column {column}: expected {error.details['expected']}, found {found}" in error.message


def test_the_first_wrong_row_is_named_whatever_its_column(write_csv: WriteCsv) -> None:
    assert failure(write_csv(HEADER + "1,2,3,4\n1,2,3,x\nx,2,3,4\n")).details["line"] == 3


def test_a_record_of_several_lines_is_named_by_its_first(write_csv: WriteCsv) -> None:
    path = write_csv('note,user,item,label,time\n"two\nlines",1,2,3,4\n"three\n\nlines",1,2,x,4\n')
    assert failure(path).details["line"] == 4


@pytest.mark.parametrize("fields", ["1,2,3", "1,2,3,4,5", "1"])
def test_a_wrong_number_of_fields(write_csv: WriteCsv, fields: str) -> None:
    error = failure(write_csv(f"{HEADER}1,2,3,4\n{fields}\n"))
    assert (error.code, error.details["line"]) == ("source_invalid_row", 3)
    assert "expected 4 fields" in error.message


def test_bytes_that_are_no_utf8_are_refused_where_they_matter(write_csv: WriteCsv) -> None:
    ignored = write_csv(b"user,item,label,time,title\na,b,1,2,caf\xe9\n")
    assert len(CsvSource(ignored).interactions()) == 1
    error = failure(write_csv(b"user,item,label,time\na,b,1,2\ncaf\xe9,b,1,2\n"))
    assert (error.code, error.details["line"], error.details["column"]) == ("source_invalid_row", 3, "user")
    error.message.encode()


@pytest.mark.parametrize("content", [HEADER.encode("utf-16"), b"\x89PNG\r\n\x1a\n\0\0", b"us\xe9r,item,label,time\n"])
def test_what_is_no_utf8_text_is_no_csv_file(write_csv: WriteCsv, content: bytes) -> None:
    assert failure(write_csv(content)).code == "source_unreadable"


@pytest.mark.parametrize("id_text", ["a\0b", "x" * 256])
def test_ids_that_no_model_could_keep(write_csv: WriteCsv, id_text: str) -> None:
    error = failure(write_csv(f"{HEADER}a,b,1,2\n{id_text},b,1,2\n"))
    assert (error.code, error.details["line"]) == ("source_invalid_row", 3)
    assert len(error.message) < 500


@pytest.mark.parametrize("tail", ['"never closed,2,3,4\n5,6,7,8\n', '"a"b,2,3,4\n', "x" * 140_000 + ",2,3,4\n"])
def test_what_is_no_csv_record_is_named_by_its_line(write_csv: WriteCsv, tail: str) -> None:
    error = failure(write_csv(HEADER + "a,2,3,4\n" * 5 + tail))
    assert (error.code, error.details["line"]) == ("source_invalid_row", 7)


def test_missing_columns_are_all_named(write_csv: WriteCsv) -> None:
    error = failure(write_csv("user,movie,label,when\n1,2,3,4\n"))
    assert (error.code, error.details["missing"]) == ("source_missing_column", ["item", "time"])
    assert error.details["got"] == ["user", "movie", "label", "when"]


def test_a_semicolon_is_no_comma(write_csv: WriteCsv) -> None:
    assert failure(write_csv("user;item;label;time\n1;2;3;4\n")).code == "source_missing_column"


def test_a_column_named_twice_is_refused(write_csv: WriteCsv) -> None:
    error = failure(write_csv("user,item,item,label,time\n1,2,3,4,5\n"))
    assert (error.code, error.details["line"]) == ("source_invalid_row", 1)
    assert "item" in error.message


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", HEADER, HEADER + "\n\n"])
def test_a_file_without_rows_is_empty(write_csv: WriteCsv, content: str) -> None:
    assert failure(write_csv(content)).code == "source_empty"


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    assert failure(tmp_path / "nowhere.csv").code == "source_missing"
    assert failure(tmp_path / "no" / "folder.csv").code == "source_missing"
    assert failure(tmp_path).code == "source_unreadable"
    assert failure(Path("/dev/null")).code == "source_unreadable"


def test_a_file_that_may_not_be_read(write_csv: WriteCsv, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(HEADER)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    error = failure(path)
    assert (error.code, error.details["reason"]) == ("source_unreadable", "permission denied")


def test_a_path_that_is_no_utf8_can_be_told(tmp_path: Path) -> None:
    error = failure(tmp_path / "\udcff.csv")
    assert "?.csv" in error.message
    error.message.encode()


def test_a_changed_file_is_read_again(write_csv: WriteCsv) -> None:
    source = CsvSource(write_csv(HEADER + "1,2,3,4\n"))
    assert source.interactions() is source.interactions()
    write_csv(HEADER + "1,2,3,4\n5,6,7,8\n")
    assert len(source.interactions()) == 2


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(HEADER.encode() + data)
    outcome = outcome_of(path)
    assert outcome in {"read", "source_empty", "source_invalid_row"}


def outcome_of(path: Path) -> str:
    try:
        return "read" if len(CsvSource(path).interactions()) > 0 else "read nothing"
    except SourceError as error:
        error.message.encode()  # can be sent
        return error.code
