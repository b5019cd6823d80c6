"""Which rows teach, which count as had, and in what order."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from port_worker.sources.columns import IdColumn, Interactions
from port_worker.sources.features import NO_KIND
from port_worker.sources.sqlite import SqliteSource
from port_worker.training import dataset
from port_worker.training.dataset import TrainingData, described, prepare
from port_worker.training.errors import TrainingError

Row = tuple[str, int, float, int]


def interactions(*rows: Row) -> Interactions:
    users, items, weights, times = zip(*rows, strict=True)
    return Interactions(
        users=IdColumn.of(np.array([user.encode() for user in users])),
        items=IdColumn.of(np.array(items, dtype=np.int64)),
        weights=np.array(weights, dtype=np.float32),
        times=np.array(times, dtype=np.int64),
    )


def triples(data: TrainingData) -> list[tuple[str, int, float]]:
    users = data.user_ids[data.users].astype(str).tolist()
    return list(zip(users, data.item_ids[data.items].tolist(), data.weights.tolist(), strict=True))


def test_ids_are_sorted_and_rows_are_in_time_order() -> None:
    data = prepare(interactions(("b", 30, 1, 9), ("a", 10, 1, 5), ("a", 30, 1, 2), ("b", 10, 1, 7)))
    assert data.user_ids.tolist() == [b"a", b"b"]
    assert data.item_ids.tolist() == [10, 30]
    assert triples(data) == [("a", 30, 1), ("a", 10, 1), ("b", 10, 1), ("b", 30, 1)]


def test_a_pair_that_met_again_is_one_row_with_all_its_weight_at_its_last_time() -> None:
    data = prepare(interactions(("a", 1, 2, 0), ("a", 2, 1, 1), ("b", 1, 1, 2), ("a", 1, 3, 3)))
    assert triples(data) == [("a", 2, 1), ("b", 1, 1), ("a", 1, 5)]
    assert data.rows == 4


def test_rows_of_one_time_keep_the_source_s_order() -> None:
    rows: list[Row] = [("a", item, 1, 0) for item in (3, 1, 2, 5, 4)]
    assert [item for _, item, _ in triples(prepare(interactions(*rows, ("b", 1, 1, 0))))] == [3, 1, 2, 5, 4, 1]


def test_what_is_not_positive_does_not_teach_but_was_had() -> None:
    data = prepare(interactions(("a", 1, 1, 0), ("a", 2, 0, 1), ("b", 2, 1, 2), ("b", 1, -1, 3)))
    assert data.positive.tolist() == [True, False, True, False]


def test_a_dislike_takes_back_a_like() -> None:
    rows: list[Row] = [("a", 1, 1, 0), ("a", 2, 1, 0), ("b", 2, 1, 0), ("a", 1, -1, 1), ("b", 1, 1, 2)]
    data = prepare(interactions(*rows))
    assert triples(data)[2] == ("a", 1, 0)


def test_users_and_items_without_a_positive_pair_are_unknown() -> None:
    data = prepare(interactions(("a", 1, 1, 0), ("b", 2, 1, 1), ("c", 1, 0, 2), ("a", 3, -2, 3)))
    assert data.user_ids.tolist() == [b"a", b"b"]
    assert data.item_ids.tolist() == [1, 2]
    assert len(data.users) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [("a", 1, 1, 0), ("a", 2, 1, 0)],
        [("a", 1, 1, 0), ("b", 1, 1, 0)],
        [("a", 1, 0, 0), ("b", 2, -1, 0)],
        [("a", 1, 1, 0), ("b", 2, 0, 0)],
    ],
    ids=["one user", "one item", "nothing positive", "one positive pair"],
)
def test_too_little_is_refused(rows: list[Row]) -> None:
    with pytest.raises(TrainingError, match="at least 2 users and 2 items") as caught:
        prepare(interactions(*rows))
    assert caught.value.code == "source_empty"
    assert caught.value.details["rows"] == len(rows)


def test_the_last_time_is_kept_even_of_what_teaches_nothing() -> None:
    data = prepare(interactions(("a", 1, 1, 7), ("b", 2, 1, 5), ("c", 1, 0, 9)))
    assert data.learnt_until == 9


def test_the_source_describes_users_and_items(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("""
            CREATE TABLE users (id, username, display_name, platform);
            CREATE TABLE items (id, kind, name, is_public, size_kb);
            CREATE TABLE interactions (user_id, item_id, kind, weight, time);
            INSERT INTO users VALUES ('b', 'b', 'B', 'quest'), ('a', 'a', 'A', 'quest'), ('c', 'c', 'C', 'mobile');
            INSERT INTO items VALUES (2, 'prop', '2', 1, 20), (1, 'map', '1', 1, 10);
            INSERT INTO interactions VALUES ('a', 1, 'visit', 1, 5), ('b', 2, 'visit', 1, 6);""")
    source = SqliteSource(path)
    data = prepare(source.interactions())
    assert (data.item_kinds.codes.tolist(), data.item_kinds.names) == ([NO_KIND, NO_KIND], ())
    data = described(data, source)
    assert (data.item_kinds.codes.tolist(), data.item_kinds.names) == ([0, 1], ("map", "prop"))
    assert data.user_features is not None
    assert data.item_features is not None
    assert data.user_features.sparse["platform"].codes.tolist() == [0, 0]
    assert data.item_features.dense["size_kb"].values.tolist() == [10, 20]


def test_sums_stay_finite() -> None:
    huge = float(np.finfo(np.float32).max)
    data = prepare(interactions(("a", 1, huge, 0), ("a", 1, huge, 1), ("b", 2, 1, 2)))
    assert np.isfinite(data.weights).all()


@pytest.mark.usefixtures("_libraries")
class TestTrainSet:
    def test_inner_ids_are_our_rows(self, data: TrainingData) -> None:
        _, info = dataset.train_set(data, weighted=False, seed=1)
        assert (info.n_users, info.n_items) == (len(data.user_ids), len(data.item_ids))
        assert info.user_unique_vals.tolist() == list(range(info.n_users))
        assert all(inner == row for row, inner in info.item2id.items())

    def test_sequences_are_in_time_order(self, data: TrainingData) -> None:
        _, info = dataset.train_set(data, weighted=False, seed=1)
        for user in range(info.n_users):
            assert info.user_consumed[user] == data.items[data.users == user].tolist()

    @pytest.mark.parametrize("weighted", [True, False])
    def test_labels(self, data: TrainingData, weighted: bool) -> None:
        made, _ = dataset.train_set(data, weighted=weighted, seed=1)
        assert made.labels.tolist() == (data.weights.tolist() if weighted else [1.0] * len(data.users))

    def test_only_positive_pairs_are_in_it(self) -> None:
        mixed = prepare(interactions(("a", 1, 1, 0), ("a", 2, 0, 1), ("b", 2, 1, 2)))
        made, info = dataset.train_set(mixed, weighted=False, seed=1)
        assert list(zip(made.user_indices, made.item_indices, strict=True)) == [(0, 0), (1, 1)]
        assert info.user_consumed == {0: [0], 1: [1]}

    def test_librecommender_s_classes_keep_nothing(self, data: TrainingData) -> None:
        from libreco.data import DatasetPure

        before = dict(vars(DatasetPure)), DatasetPure.user_unique_vals, DatasetPure.train_called
        dataset.train_set(data, weighted=False, seed=1)
        assert (dict(vars(DatasetPure)), DatasetPure.user_unique_vals, DatasetPure.train_called) == before
