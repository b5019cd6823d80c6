"""The network scorer by programs made by hand: slices, packing, unknown users, and what a serving process imports."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving import network
from port_worker.serving.features import FeatureRows, UserFeatures
from port_worker.serving.network import NetworkScorer, open_network
from port_worker.serving.network_program import NetworkProgram, Registers
from port_worker.serving.ranking import OptionError
from port_worker.serving.sequences import Sequences
from port_worker.serving.similar import ItemSimilarity
from port_worker.serving.subject import Subject
from port_worker.store.catalogue import NO_KIND, CatalogueArrays, by_popularity
from port_worker.store.errors import ModelDamaged
from port_worker.store.features import FeatureSide, SparseFeature
from port_worker.store.models import ModelStore
from port_worker.store.network import KIND, Feeds, NetworkArrays, NetworkFacts, ProgramFile
from port_worker.store.program import Constant, Program, ProgramError, Step

USERS, ITEMS, WIDTH = 6, 5000, 4
NONE = np.empty(0, dtype=np.int32)
SIDE = FeatureSide((SparseFeature("mood", 0, {"calm": 0, "wild": 1}, 2, unknown_learnt=True),))
ROOT = Path(__file__).parents[2]


def made() -> tuple[Program, NetworkArrays]:
    """score = sum over the factors of relu(user + mood + latest item) * item."""
    rng = np.random.default_rng(3)
    users, moods, items = (rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (USERS + 1, 3, ITEMS + 1))
    ones = np.ones((WIDTH, 1), dtype=np.float32)
    tables = [users, moods, items, items[:ITEMS], ones]
    starts = np.cumsum([0, *(table.size for table in tables)])
    program = Program(
        registers=20,
        constants=tuple(Constant(int(start), each.shape) for start, each in zip(starts, tables, strict=False)),
        feeds=((Feeds.USER, 5), (Feeds.SPARSE, 6), (Feeds.SEQUENCE, 7)),
        subject_steps=(
            Step("gather", (0, 5), 8),
            Step("gather", (1, 6), 9),
            Step("sum", (9,), 10, {"axis": -2, "keep": False}),
            Step("gather", (2, 7), 11),
            Step("sum", (11,), 12, {"axis": -2, "keep": False}),
            Step("add", (8, 10), 13),
            Step("add", (13, 12), 14),
        ),
        shared=((14, 15),),
        tables=((3, 16),),
        pair_steps=(
            Step("relu", (15,), 17),
            Step("multiply", (17, 16), 18, last=(17,)),
            Step("matmul", (18, 4), 19, last=(18,)),
            Step("reshape", (19,), 19, {"shape": []}),
        ),
        output=19,
        row_bytes=64,
    )
    arrays = NetworkArrays(
        network_weights=np.concatenate([table.ravel() for table in tables]),
        network_item_vectors=items[:ITEMS],
        network_user_sparse=np.array([[0], [1], [0], [1], [2], [0], [2]], dtype=np.int32),
        network_user_dense=np.zeros((USERS + 1, 0), dtype=np.float32),
    )
    return program, arrays


def catalogue() -> CatalogueArrays:
    """Everybody has met three items; the second of them taught nothing."""
    popularity = np.ones(ITEMS, dtype=np.int64)
    return CatalogueArrays(
        user_ids=np.arange(USERS),
        item_ids=np.arange(ITEMS),
        consumed_indptr=np.arange(USERS + 1) * 3,
        consumed_items=np.arange(3 * USERS, dtype=np.int32),
        consumed_weights=np.tile(np.array([1, 0, 2], dtype=np.float32), USERS),
        item_popularity=popularity,
        popular_items=by_popularity(popularity),
        item_kinds=np.full(ITEMS, NO_KIND, dtype=np.uint8),
    )


def scorer_of(recent: int = 1) -> NetworkScorer:
    program, arrays = made()
    features = UserFeatures(SIDE, FeatureRows(arrays.network_user_sparse, arrays.network_user_dense))
    sequences = Sequences(NetworkFacts(recent, 0, {}), catalogue())
    similar = ItemSimilarity(arrays.network_item_vectors, 0)
    return NetworkScorer(NetworkProgram(program, arrays.network_weights), ITEMS, sequences, features, similar)


def subject(row: int | None, *items: int, fresh: bool = False) -> Subject:
    return Subject(row, np.array(items, dtype=np.int32), np.ones(len(items), dtype=np.float32), fresh)


SUBJECTS = [subject(0, 1, 2), subject(3, 7), subject(None, 9, fresh=True), subject(5, 4, 4998, fresh=True)]


def expected(row: int, mood: int, latest: int) -> NDArray[np.float32]:
    program, arrays = made()
    users, moods, items, _, _ = (
        arrays.network_weights[each.start : each.stop].reshape(each.shape) for each in program.constants
    )
    scores: NDArray[np.float32] = items[:ITEMS] @ np.maximum(users[row] + moods[mood] + items[latest], 0)
    return scores


def all_scores(scorer: NetworkScorer, *subjects: Subject) -> list[NDArray[np.float32]]:
    return [scores for scores in scorer.scores(subjects) if scores is not None]


def test_scores_are_what_the_program_says() -> None:
    found = all_scores(scorer_of(), *SUBJECTS)
    wanted = [expected(0, 0, 2), expected(3, 1, 7), expected(USERS, 2, 9), expected(5, 0, 4998)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("slice_bytes", [1, 64 * 333, 1 << 30])
def test_slices_do_not_change_scores(slice_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_scores(scorer_of(), *SUBJECTS)
    monkeypatch.setattr(network, "SLICE_BYTES", slice_bytes)
    np.testing.assert_allclose(all_scores(scorer_of(), *SUBJECTS), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("row_bytes", "pairs"), [(1, 2048), (1024, 1024), (4096, 256), (1 << 20, 128)])
def test_a_slice_takes_no_more_memory_than_it_may(row_bytes: int, pairs: int) -> None:
    program, arrays = made()
    seen: list[int] = []

    class Watched(NetworkProgram):
        def of_one(self, subjects: Registers, place: int, rows: NDArray[np.intp] | slice) -> NDArray[np.float32]:
            scores = super().of_one(subjects, place, rows)
            seen.append(len(scores))
            return scores

    features = UserFeatures(SIDE, FeatureRows(arrays.network_user_sparse, arrays.network_user_dense))
    watched = Watched(replace(program, row_bytes=row_bytes), arrays.network_weights)
    sequences = Sequences(NetworkFacts(1, 0, {}), catalogue())
    scorer = NetworkScorer(watched, ITEMS, sequences, features, ItemSimilarity(arrays.network_item_vectors, 0))
    steps = list(scorer.scores(SUBJECTS[:1]))
    assert max(seen) == pairs
    assert sum(seen) == ITEMS
    assert [step is None for step in steps] == [True] * len(seen) + [False]


@pytest.mark.parametrize("most", [20, 300, 3000])
def test_pairs_of_many_subjects_together_score_as_alone(most: int) -> None:
    scorer = scorer_of()
    rng = np.random.default_rng(1)
    many = [SUBJECTS[place % len(SUBJECTS)] for place in range(150)]
    rows = [rng.integers(0, ITEMS, size).astype(np.intp) for size in rng.integers(0, most, len(many))]
    steps = list(scorer.score_rows(many, rows))
    packed = [scores for scores in steps if scores is not None]
    whole = all_scores(scorer, *SUBJECTS)
    assert any(step is None for step in steps)
    assert len(packed) == len(many)
    for place, (scores, some) in enumerate(zip(packed, rows, strict=True)):
        np.testing.assert_allclose(scores, whole[place % len(SUBJECTS)][some], rtol=1e-5, atol=1e-5)


def test_no_subjects_are_no_work() -> None:
    assert list(scorer_of().score_rows([], [])) == []
    assert list(scorer_of().scores([])) == []


def test_where_scores_come_from() -> None:
    by_items, plain = scorer_of(), scorer_of(recent=0)
    cases = [
        (subject(1, 2), ("model", "model")),
        (subject(1, 2, fresh=True), ("fold_in", "model")),
        (subject(1, fresh=True), ("model", "model")),
        (subject(None, 2, fresh=True), ("fold_in", "popular")),
        (subject(None, fresh=True), ("popular", "popular")),
        (subject(None, fresh=True)._replace(features={"mood": "wild"}), ("features", "features")),
    ]
    assert [(by_items.source(each), plain.source(each)) for each, _ in cases] == [expected for _, expected in cases]
    assert by_items.options - plain.options == {"recent", "fold_in"}


def test_a_known_user_of_whom_nothing_is_given_has_what_they_learnt() -> None:
    (scores,) = all_scores(scorer_of(), subject(2, fresh=True))
    np.testing.assert_allclose(scores, expected(2, 0, 8), rtol=1e-5, atol=1e-5)


def test_features_are_checked() -> None:
    scorer = scorer_of()
    assert scorer.check_features({"mood": "wild"}) == ({"mood": "wild"}, [])
    assert scorer.check_features({"mood": "odd"}) == ({}, ["mood"])
    with pytest.raises(OptionError, match=r"features\.mood: expected text, got 3"):
        scorer.check_features({"mood": 3})
    with pytest.raises(OptionError, match=r"features\.age"):
        scorer.check_features({"age": 3})


def test_items_that_look_alike_are_near() -> None:
    scorer = scorer_of()
    rows = np.array([4, 8, 15])
    closeness = scorer.closeness(rows)
    np.testing.assert_allclose(closeness[0, 1], scorer.similarity(4, "cosine")[8], rtol=1e-5)
    contributions = scorer.contributions(subject(0, 8, 15), 4)
    np.testing.assert_allclose(contributions, closeness[0, 1:], rtol=1e-5)


def test_sequences_are_padded_as_librecommender_pads_them() -> None:
    sequences = Sequences(NetworkFacts(2, 3, {}), catalogue())
    many = [subject(None), subject(None, 1), subject(None, 1, 2, 3), subject(None, *range(7))]
    feeds = sequences.feeds(many)
    pad = ITEMS
    assert feeds[Feeds.SHORT].tolist() == [[pad, pad], [1, pad], [2, 3], [5, 6]]
    assert feeds[Feeds.SHORT_LENGTH].tolist() == [1, 1, 2, 2]
    assert feeds[Feeds.LONG].tolist() == [[pad] * 3, [pad] * 3, [1, pad, pad], [2, 3, 4]]
    assert feeds[Feeds.LONG_LENGTH].tolist() == [1, 1, 1, 3]


def published(root: Path) -> tuple[ModelStore, str]:
    program, arrays = made()
    features = {
        "sparse": [{"name": "mood", "field": 0, "indices": {"calm": 0}, "unknown": 2, "unknown_learnt": True}],
        "dense": [],
    }
    store = ModelStore(root)
    with store.stage() as staging:
        for part in (arrays, catalogue(), ProgramFile(program)):
            part.write(staging.path)
        manifest = staging.publish(
            algorithm="DIN", kind=KIND, params={}, users=USERS, items=ITEMS, rows=1, source="test", libraries={},
            facts={KIND: NetworkFacts(1, 0, features).to_json()},  # type: ignore[arg-type]
        )  # fmt: skip
    return store, manifest.version


def test_a_stored_network_is_served(tmp_path: Path) -> None:
    store, version = published(tmp_path)
    scorer = open_network(store.folder(version), store.read(version), catalogue())
    np.testing.assert_array_equal(all_scores(scorer, *SUBJECTS), all_scores(scorer_of(), *SUBJECTS))


@pytest.mark.parametrize(
    ("change", "expected_text"),
    [
        (lambda data: data["pair_steps"][0].update(operation="eval"), "known operation"),
        (lambda data: data["pair_steps"][0].update(operands=[99]), "operands that are set"),
        (lambda data: data["pair_steps"][2].update(into=4), "take memory over"),
        (lambda data: data.update(output=1000), "output that is set"),
        (lambda data: data.update(registers=3), "registers"),
        (lambda data: data.update(row_bytes=0), "registers, and a size of rows"),
        (lambda data: data["tables"].append([77, 16]), "tables of constants"),
        (lambda data: data["shared"].append([77, 16]), "registers that are set"),
        (lambda data: data["constants"][0].update(start=-1), "whole number"),
        (lambda data: data.pop("feeds"), "parts of a program"),
    ],
)
def test_what_is_no_program_is_refused(change, expected_text: str) -> None:  # type: ignore[no-untyped-def]
    data = json.loads(json.dumps(made()[0].to_json()))
    assert Program.from_json(data) == made()[0]
    change(data)
    with pytest.raises(ProgramError, match=expected_text):
        Program.from_json(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["constants"][0].update(shape=[10**9, 4]),
        lambda data: data["feeds"].append(["mystery", 0]),
        lambda data: data["tables"].append([0, 16]),
    ],
)
def test_a_program_of_another_model_is_damage(change, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    program, arrays = made()
    ProgramFile(program).write(tmp_path)
    file = tmp_path / "network_program.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    with pytest.raises(ModelDamaged, match="a program of this model"):
        ProgramFile.open(tmp_path, arrays)


def test_serving_imports_numpy_and_nothing_heavier(tmp_path: Path) -> None:
    _, version = published(tmp_path)
    script = f"""
import sys
from pathlib import Path
import numpy as np
from port_worker.serving.network import open_network
from port_worker.serving.subject import Subject
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore
store = ModelStore(Path({str(tmp_path)!r}))
folder = store.folder({version!r})
scorer = open_network(folder, store.read({version!r}), CatalogueArrays.open(folder))
subject = Subject(1, np.array([3], np.int32), np.ones(1, np.float32), fresh=False)
assert [each for each in scorer.scores([subject]) if each is not None][0].shape == ({ITEMS},)
heavy = {{"tensorflow", "tf_keras", "keras", "libreco", "pandas", "scipy", "torch"}} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
