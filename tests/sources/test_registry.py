from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.sources.base import Source
from port_worker.sources.csv_file import CsvSource
from port_worker.sources.errors import SourceError
from port_worker.sources.parquet_file import ParquetSource
from port_worker.sources.registry import open_source
from port_worker.sources.sqlite import SqliteSource


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("sqlite:w.data", SqliteSource),
        ("CSV:w.data", CsvSource),
        ("parquet:w.data", ParquetSource),
        ("w.sqlite", SqliteSource),
        ("w.db", SqliteSource),
        ("some/W.CSV", CsvSource),
        ("/data/at:10/w.pq", ParquetSource),
    ],
)
def test_a_scheme_or_a_suffix_says_the_kind(spec: str, kind: type) -> None:
    assert type(open_source(spec)) is kind


def test_opening_does_no_io_and_a_spec_opens_the_same_file_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source: Source = open_source("csv:folder/of:mine/visits.txt")
    assert source.spec == f"csv:{tmp_path}/folder/of:mine/visits.txt"
    assert source.name == "visits.txt"
    monkeypatch.chdir("/")
    assert open_source(source.spec).spec == source.spec


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert open_source("sqlite:~/w.sqlite").spec == "sqlite:/home/ada/w.sqlite"


@pytest.mark.parametrize("spec", ["postgres:localhost/uro", "redis:x", "visits.txt", "visits", "csv:", ""])
def test_anything_else_is_refused_and_the_known_are_listed(spec: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec)
    known = ["sqlite", "csv", "parquet", "postgresql", "postgres", "cockroachdb"]
    assert (caught.value.code, caught.value.details["known"]) == ("invalid_argument", known)
    assert "parquet:PATH" in caught.value.message
