"""What was told comes back, counted, bounded and summed, whoever of the processes that share the file told it."""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port_worker.store.checkpoints import Checkpoints
from port_worker.store.errors import TooManyHidden
from port_worker.store.live import MAX_BATCH, SLICE_ROWS, Fed, Id, LiveStore, Totals
from tests.worker.clock import Clock

Row = tuple[Id, Id, float, float]

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
IDS = st.one_of(st.sampled_from([1, "1", 0, "", "a\0", "a", -1]), st.integers(-(2**63), 2**63 - 1), TEXTS)
WEIGHTS = st.integers(-1000, 1000).map(lambda n: n / 4)  # sums of these are exact
TIMES = st.one_of(st.integers(0, 2**40), st.integers(0, 2**40).map(lambda n: n / 8))
ROWS = st.lists(st.tuples(IDS, IDS, WEIGHTS, TIMES), max_size=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "live.sqlite"


@pytest.fixture
def live(path: Path) -> Iterator[LiveStore]:
    store = LiveStore(path)
    yield store
    store.close()


def add(store: LiveStore, rows: list[Row]) -> int:
    users, items, weights, times = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return store.add(users, items, weights, times)


def expected(rows: list[Row], user: Id) -> list[Fed]:
    """Quadratic, and nothing of the store's."""
    own = [row for row in rows if same(row[0], user)]
    items = [row[1] for n, row in enumerate(own) if not any(same(row[1], later[1]) for later in own[n + 1 :])]
    told = [[row for row in own if same(row[1], item)] for item in items]
    return sorted((Fed(t[0][1], sum(r[2] for r in t), max(r[3] for r in t)) for t in told), key=lambda fed: fed.time)


def same(one: Id, other: Id) -> bool:
    return type(one) is type(other) and one == other


@settings(max_examples=25)
@given(batches=st.lists(ROWS, max_size=4), others=st.lists(IDS, max_size=5))
def test_what_was_told_comes_back_to_every_process(batches: list[list[Row]], others: list[Id]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        teller, reader = LiveStore(Path(folder) / "live.sqlite"), LiveStore(Path(folder) / "live.sqlite")
        rows: list[Row] = []
        for batch in batches:
            rows += batch
            assert add(teller, batch) == len(rows)
            users = list({row[0] for row in rows} | set(others))
            wanted = {user: told for user in users if (told := expected(rows, user))}
            assert teller.of_users(users) == reader.of_users(users) == wanted
            assert [reader.of_users([user]).get(user, []) for user in users] == [expected(rows, u) for u in users]
        teller.close()
        reader.close()


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.booleans(), st.lists(IDS, max_size=6)), max_size=8))
def test_hidden_items_are_a_set(steps: list[tuple[bool, list[Id]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        teller, reader = LiveStore(Path(folder) / "live.sqlite"), LiveStore(Path(folder) / "live.sqlite")
        hidden: set[Id] = set()
        for hide, items in steps:
            before, version = set(hidden), reader.totals().hidden_version
            hidden = hidden | set(items) if hide else hidden - set(items)
            changed = teller.hide(items) if hide else teller.show(items)
            assert changed == len(before ^ hidden)
            assert set(reader.hidden()) == hidden
            assert len(reader.hidden()) == reader.totals().hidden == len(hidden)
            assert (reader.totals().hidden_version != version) or not changed
        teller.close()
        reader.close()


def test_ids_of_both_types_are_told_apart(live: LiveStore) -> None:
    add(live, [(1, "1", 1.0, 10), ("1", 1, 2.0, 20), (1, 1, 4.0, 30)])
    assert live.of_users([1, "1"]) == {1: [Fed("1", 1.0, 10), Fed(1, 4.0, 30)], "1": [Fed(1, 2.0, 20)]}
    live.hide(["1"])
    assert live.hide([1]) == 1
    assert live.hidden() == [1, "1"]


def test_users_of_one_bucket_are_told_apart(live: LiveStore) -> None:
    add(
        live, [(5, 1, 1.0, 1), (5 + 2**32, 2, 1.0, 1), ("plumless", 3, 1.0, 1)]
    )  # CRC-32 of buckeroo is that of plumless
    assert live.of_users([5, 5 + 2**32, 5 + 2**33, "buckeroo", "plumless"]) == {
        5: [Fed(1, 1.0, 1)],
        5 + 2**32: [Fed(2, 1.0, 1)],
        "plumless": [Fed(3, 1.0, 1)],
    }


def test_more_users_than_one_query_asks_for(live: LiveStore) -> None:
    add(live, [(user, user, 1.0, 1) for user in range(0, 300, 2)])
    assert list(live.of_users(range(300))) == list(range(0, 300, 2))


def test_columns_of_numpy(live: LiveStore) -> None:
    users = np.array([b"u", "\u00e9".encode()])
    live.add(users, np.array([7, 8]), np.array([1.5, 2], dtype=np.float32), np.array([1e9, 2e9]))
    assert live.of_users(["u", "\u00e9"]) == {"u": [Fed(7, 1.5, 1e9)], "\u00e9": [Fed(8, 2.0, 2e9)]}
    live.hide(np.array([3, 4]))
    live.hide(np.array([b"a"]))
    assert live.hidden() == [3, 4, "a"]


def test_the_oldest_arrivals_make_room(path: Path) -> None:
    store = LiveStore(path, max_rows=3)
    assert [add(store, [("u", item, 1.0, -item)]) for item in range(5)] == [1, 2, 3, 3, 3]
    assert [fed.item for fed in store.of_users(["u"])["u"]] == [4, 3, 2]
    assert add(store, [("v", item, 1.0, item) for item in range(9)]) == 3
    assert list(store.of_users(["u", "v"])) == ["v"]
    assert [fed.item for fed in store.of_users(["v"])["v"]] == [6, 7, 8]
    store.close()


def test_hiding_past_the_limit_hides_none(path: Path) -> None:
    store = LiveStore(path, max_hidden=2)
    store.hide(["a"])
    before = store.totals()
    with pytest.raises(TooManyHidden) as refused:
        store.hide(["b", "c"])
    assert refused.value.details == {"max": 2, "got": 3}
    assert store.totals() == before
    assert store.hidden() == ["a"]
    assert store.hide(["a", "b", "b"]) == 1
    store.close()


@pytest.mark.parametrize(
    "columns",
    [
        (["u"], ["i"], [1.0], []),
        (["u"] * (MAX_BATCH + 1), ["i"] * (MAX_BATCH + 1), [1.0] * (MAX_BATCH + 1), [1] * (MAX_BATCH + 1)),
        (["u", "v"], ["i", "j"], [1.0, float("nan")], [1, 1]),
        (["u"], ["i"], [1e31], [1]),
        (["u"], ["i"], [10**400], [1]),
        (["u"], ["i"], [1.0], [float("inf")]),
        (["u"], ["i"], [1.0], [2**63]),
        (["u", 2**63], ["i", "j"], [1.0, 1.0], [1, 1]),
        (["u", "v"], ["i", "\ud800"], [1.0, 1.0], [1, 1]),
        (np.array([b"u", b"\xff"]), ["i", "j"], [1.0, 1.0], [1, 1]),
    ],
)
def test_rows_that_cannot_be_kept_are_refused_together(live: LiveStore, columns: tuple[list[Id], ...]) -> None:
    live.add(["kept"], ["i"], [1.0], [1])
    with pytest.raises(ValueError, match=r"expected|decode"):
        live.add(*columns)  # type: ignore[arg-type]
    assert live.totals().rows == 1
    assert live.of_users(["u"]) == {}


def test_versions_tell_of_changes_by_this_process_and_by_others(live: LiveStore, path: Path) -> None:
    other = LiveStore(path)
    seen = [live.version(), live.version()]
    other.add(["u"], ["i"], [1.0], [1])
    seen += [live.version(), live.version()]
    live.hide(["i"])
    seen += [live.version(), live.version()]
    other.show(["i"])
    seen += [live.version(), live.version()]
    other.close()
    assert [later > earlier for earlier, later in itertools.pairwise(seen)] == [False, True] * 3 + [False]
    assert seen == sorted(seen)


def test_the_version_of_what_is_hidden_grows_by_one_with_each_change(live: LiveStore) -> None:
    live.hide(["a"])
    first = live.totals().hidden_version
    live.hide(["a"])
    live.add(["u"], ["i"], [1.0], [1])
    assert live.totals() == Totals(1, 1, first)
    live.hide(["b"])
    live.show(["a", "b"])
    assert live.totals() == Totals(1, 0, first + 2)


def test_what_a_newer_model_has_learnt_is_forgotten_in_slices(live: LiveStore) -> None:
    count = 5 * SLICE_ROWS // 2
    add(live, [(time, f"i{time}", 1.0, time) for time in range(count)])
    asked: list[tuple[Id, Id, float]] = []

    def learnt(rows: list[tuple[Id, Id, float]]) -> list[bool]:
        asked.extend(rows)
        return [time % 3 > 0 for _, _, time in rows]

    dropped = list(live.forget_learnt(learnt))
    kept = [time for time in range(count) if time % 3 == 0]
    assert len(dropped) == 3
    assert dropped[-1] == count - len(kept)
    assert asked == [(time, f"i{time}", time) for time in range(count)]
    assert list(live.of_users(range(count))) == kept
    assert live.totals().rows == len(kept)


def test_two_forget_and_one_tells_at_once(live: LiveStore, path: Path) -> None:
    other, teller = LiveStore(path), LiveStore(path)
    add(live, [("u", item, 1.0, 5) for item in range(6 * SLICE_ROWS)])
    forgetting = [store.forget_learnt(lambda rows: [time <= 5 for _, _, time in rows]) for store in (live, other)]
    told = 0
    while [dropped for dropped in (next(each, None) for each in forgetting) if dropped is not None]:
        told += 1
        teller.add(["u"], ["i"], [1.0], [5 + told])
    assert live.totals().rows == told > 2
    assert teller.of_users(["u"]) == {"u": [Fed("i", float(told), 5 + told)]}
    other.close()
    teller.close()


def test_a_row_told_anew_while_it_is_judged_stays(live: LiveStore, path: Path) -> None:
    """All rows go, and a new one is given the number of one that went: SQLite counts on from the last that is there."""
    other = LiveStore(path)
    add(live, [("u", "i", 1.0, 1)])

    def learnt(rows: list[tuple[Id, Id, float]]) -> list[bool]:
        list(other.forget_learnt(lambda same: [True] * len(same)))
        add(other, [("u", "i", 1.0, 2)])
        return [True] * len(rows)

    assert list(live.forget_learnt(learnt)) == [0]
    assert live.totals().rows == 1
    other.close()


def test_nothing_is_made_before_the_first_write(live: LiveStore, path: Path) -> None:
    assert live.totals() == Totals(0, 0, 0)
    assert live.of_users(["u"]) == {}
    assert live.hidden() == []
    assert list(live.forget_learnt(lambda rows: [True] * len(rows))) == []
    assert not path.parent.exists()
    live.hide([])
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_what_was_told_is_there_after_a_restart(path: Path) -> None:
    first = LiveStore(path)
    add(first, [("u", "i", 1.0, 1)])
    first.hide(["i"])
    totals = first.totals()
    first.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    second = LiveStore(path)
    assert second.totals() == totals == Totals(1, 1, totals.hidden_version)
    assert second.of_users(["u"]) == {"u": [Fed("i", 1.0, 1)]}
    assert second.hidden() == ["i"]
    second.close()


def test_the_log_is_written_back_beside_the_loop(live: LiveStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_run = threading.Event()
    whole = Checkpoints._run

    def held(self: Checkpoints) -> None:
        may_run.wait(60)
        whole(self)

    monkeypatch.setattr(Checkpoints, "_run", held)
    add(live, [("u", item, 1.0, 1) for item in range(20_000)])
    before = path.stat().st_size
    may_run.set()
    live._checkpoints.wait()
    assert before < 100_000 < path.stat().st_size


def test_who_makes_a_file_waits_until_nobody_believes_that_there_is_none(path: Path) -> None:
    clock = Clock()
    slept: list[float] = []
    reader, writer = LiveStore(path, clock=clock), LiveStore(path, clock=clock, sleep=slept.append)
    assert reader.hidden() == []
    writer.hide(["x"])
    assert reader.hidden() == []  # asked a moment ago
    [seconds] = slept
    clock.now += seconds
    assert reader.hidden() == ["x"]
    writer.hide(["y"])
    assert len(slept) == 1
    assert reader.hidden() == ["x", "y"]
