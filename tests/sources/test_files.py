"""What CSV and Parquet files share, tried on CSV."""

from __future__ import annotations

import numpy as np
import pytest

from port_worker.sources.base import ItemCard, UserCard, Visit
from port_worker.sources.csv_file import CsvSource
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.features import NO_KIND
from tests.sources.samples import WriteCsv

ROWS = "user,item,label,time\n7,m1,1,10\n8,m2,2,30\n7,m2,3,20\n7,m3,4,20\n71,m1,5,5\n"


@pytest.fixture
def source(write_csv: WriteCsv) -> CsvSource:
    return CsvSource(write_csv(ROWS))


def test_history_is_newest_first_and_of_equals_the_later_row(source: CsvSource) -> None:
    assert source.history(7, 2) == [Visit("m3", None, 4.0, 20), Visit("m2", None, 3.0, 20)]
    assert [visit.time for visit in source.history(7, 9)] == [20, 20, 10]


def test_users_of_another_type_or_unknown_have_no_history(source: CsvSource) -> None:
    assert [source.history(user, 9) for user in ("7", 9, 2**70)] == [[], [], []]


def test_the_most_active_users_come_first_and_ties_by_id(source: CsvSource) -> None:
    assert source.sample_users(9) == [UserCard(7), UserCard(8), UserCard(71)]
    assert source.sample_users(1) == [UserCard(7)]


def test_users_are_found_by_the_start_of_their_id(source: CsvSource) -> None:
    assert source.find_users("7", 9) == [UserCard(7), UserCard(71)]
    assert source.find_users("7", 1) == [UserCard(7)]
    assert source.find_users("x", 9) == []


def test_typed_ids_take_the_type_of_their_column(source: CsvSource) -> None:
    assert [source.resolve_user(text) for text in ("7", "999", "007", "ada")] == [7, 999, "007", "ada"]
    assert source.resolve_item("7") == "7"


def test_typed_ids_take_the_type_of_their_column_also_where_the_first_row_is_malformed(write_csv: WriteCsv) -> None:
    path = write_csv("user,item,label,time\n,a,1,1\n7,a,1,2\n8,b,1,3\n")
    source = CsvSource(path, SourceDefinition(f"csv:{path}", malformed=0.5))
    assert source.interactions().users.ids.tolist() == [7, 8]
    assert source.resolve_user("7") == 7


def test_a_file_without_rows_leaves_typed_ids_as_they_are(write_csv: WriteCsv) -> None:
    assert CsvSource(write_csv("user,item,label,time\n")).resolve_user("7") == "7"


def test_cards_are_bare(source: CsvSource) -> None:
    assert source.items(["m1", "gone"]) == {"m1": ItemCard("m1"), "gone": ItemCard("gone")}
    assert source.users([7]) == {7: UserCard(7)}


def test_a_file_knows_neither_kinds_nor_features(source: CsvSource) -> None:
    ids = np.array([7, 8, 71])
    kinds = source.item_kinds(ids)
    assert (kinds.codes.tolist(), kinds.names) == ([NO_KIND] * 3, ())
    assert kinds.codes.dtype == np.uint8
    assert (source.item_features(ids), source.user_features(ids)) == (None, None)
