from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.item_index import FACT, IndexArrays, open_index
from port_worker.store.manifest import FileEntry, Json, Manifest
from port_worker.training.index_export import DEPTHS, BuiltIndex, IndexSettings, build_index

SMALL = IndexSettings(least_items=1_000, largest_share=0.3)
Vectors = NDArray[np.float32]


def clustered(count: int, *, seed: int, clusters: int = 40, d: int = 12) -> Vectors:
    """Tastes as a trained model has them: some directions, popular ones longer."""
    centres = np.random.default_rng(0).standard_normal((clusters, d))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(0, clusters, count)] + 0.4 * random.standard_normal((count, d))
    return (vectors * np.exp(0.2 * random.standard_normal((count, 1)))).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> tuple[Vectors, Vectors]:
    return clustered(6_000, seed=1), clustered(300, seed=2)


@pytest.fixture(scope="module")
def built(vectors: tuple[Vectors, Vectors]) -> BuiltIndex:
    return build_index(*vectors, SMALL)


def arrays_of(built: BuiltIndex) -> IndexArrays:
    assert built.arrays is not None
    return built.arrays


def test_every_item_is_in_one_list_with_its_own_vector(vectors: tuple[Vectors, Vectors], built: BuiltIndex) -> None:
    arrays = arrays_of(built)
    assert sorted(arrays.index_rows.tolist()) == list(range(6_000))
    assert np.array_equal(arrays.index_vectors, vectors[0][arrays.index_rows])
    for start, end in zip(arrays.index_offsets[:-1], arrays.index_offsets[1:], strict=True):
        assert np.all(np.diff(arrays.index_rows[start:end]) > 0)


def test_centres_and_longest_are_those_of_their_lists(built: BuiltIndex) -> None:
    arrays = arrays_of(built)
    for one, (start, end) in enumerate(zip(arrays.index_offsets[:-1], arrays.index_offsets[1:], strict=True)):
        part = arrays.index_vectors[start:end].astype(np.float64)
        if len(part):
            np.testing.assert_allclose(arrays.index_centres[one], part.mean(axis=0), atol=1e-5)
            np.testing.assert_allclose(arrays.index_longest[one], np.linalg.norm(part, axis=1).max(), rtol=1e-6)
        else:
            assert not arrays.index_centres[one].any()


def test_recall_is_what_reading_those_lists_finds(vectors: tuple[Vectors, Vectors], built: BuiltIndex) -> None:
    arrays, (items, users) = arrays_of(built), vectors
    owners = np.empty(len(items), dtype=np.intp)
    owners[arrays.index_rows] = np.repeat(np.arange(arrays.lists), np.diff(arrays.index_offsets))
    probes = built.facts["probes"]
    assert isinstance(probes, dict)
    for n in DEPTHS:
        count = probes[str(n)]
        assert isinstance(count, int)
        found = []
        for user in users:
            near = set(np.argsort(-(arrays.index_centres @ user), kind="stable")[:count].tolist())
            best = np.argsort(-(items @ user), kind="stable")[:n]
            found.append(np.mean([owner in near for owner in owners[best].tolist()]))
        measured = built.facts[f"recall_at_{n}"]
        assert isinstance(measured, float)
        assert measured == pytest.approx(np.mean(found), abs=1e-3)
        assert measured >= SMALL.recall - 1e-3


def test_facts_say_what_was_made_and_are_json(built: BuiltIndex) -> None:
    assert json.loads(json.dumps(built.facts)) == built.facts
    assert built.facts["kind"] == "inverted_file"
    assert (built.facts["items"], built.facts["dimension"], built.facts["users"]) == (6_000, 12, 300)
    assert built.facts["lists"] == arrays_of(built).lists
    share, speedup, seconds = (built.facts[name] for name in ("share", "speedup", "build_seconds"))
    assert isinstance(share, float)
    assert isinstance(speedup, float)
    assert isinstance(seconds, float)
    assert 0 < share <= SMALL.largest_share
    assert speedup > 0
    assert seconds > 0


def test_the_same_vectors_give_the_same_index(vectors: tuple[Vectors, Vectors], built: BuiltIndex) -> None:
    again = arrays_of(build_index(*vectors, SMALL))
    for field in dataclasses.fields(IndexArrays):
        assert np.array_equal(getattr(again, field.name), getattr(arrays_of(built), field.name))


def test_a_small_catalogue_has_none(vectors: tuple[Vectors, Vectors]) -> None:
    built = build_index(*vectors, IndexSettings())
    assert built.arrays is None
    assert built.facts == {"kind": "exact", "reason": "fewer than 250000 items", "items": 6_000, "dimension": 12}


def test_vectors_without_any_nearness_have_none() -> None:
    random = np.random.default_rng(3)
    items, users = random.uniform(-1, 1, (4_000, 32)), random.uniform(-1, 1, (100, 32))
    built = build_index(items.astype(np.float32), users.astype(np.float32), IndexSettings(least_items=1_000))
    assert built.arrays is None
    assert built.facts["kind"] == "exact"
    assert "would have to be read" in str(built.facts["reason"])
    assert "recall_at_10" in built.facts


def test_fewer_distinct_items_than_lists() -> None:
    items = np.tile(clustered(3, seed=5), (400, 1))
    built = build_index(items, clustered(5, seed=6), IndexSettings(least_items=1, largest_share=1.0))
    assert sorted(arrays_of(built).index_rows.tolist()) == list(range(1_200))


def manifest(facts: Json, files: tuple[str, ...] = IndexArrays.files()) -> Manifest:
    listed = {name: FileEntry(1, "0" * 64) for name in files}
    return Manifest("v", 0, "ALS", "embedding", {}, 1, 6_000, 1, "", {}, listed, {FACT: facts})


def test_it_is_written_and_opened_again(tmp_path: Path, vectors: tuple[Vectors, Vectors], built: BuiltIndex) -> None:
    arrays_of(built).write(tmp_path)
    opened = open_index(tmp_path, manifest(built.facts), vectors[0])
    assert opened is not None
    arrays, facts = opened
    assert np.array_equal(arrays.index_vectors, arrays_of(built).index_vectors)
    assert {str(n): count for n, count in facts.probes.items()} == built.facts["probes"]
    assert list(facts.probes) == sorted(facts.probes)


@pytest.mark.parametrize("facts", [None, {"kind": "exact", "reason": "fewer than 250000 items"}])
def test_a_version_without_one_opens_none(tmp_path: Path, facts: Json, vectors: tuple[Vectors, Vectors]) -> None:
    assert open_index(tmp_path, manifest(facts, ()), vectors[0]) is None


@pytest.mark.parametrize(
    "probes", [None, {}, {"10": 0}, {"10": 10**6}, {"ten": 3}, {"0": 3}, {"10": True}, {"10": 3, "x": 1}, [3]]
)
def test_numbers_that_cannot_be_are_damage(
    tmp_path: Path, vectors: tuple[Vectors, Vectors], built: BuiltIndex, probes: Json
) -> None:
    arrays_of(built).write(tmp_path)
    with pytest.raises(ModelDamaged, match="probes"):
        open_index(tmp_path, manifest({"kind": "inverted_file", "probes": probes}), vectors[0])


def test_files_that_are_not_those_of_this_model_are_damage(
    tmp_path: Path, vectors: tuple[Vectors, Vectors], built: BuiltIndex
) -> None:
    arrays_of(built).write(tmp_path)
    with pytest.raises(ModelDamaged, match="the shape of item_vectors"):
        open_index(tmp_path, manifest(built.facts), vectors[0][1:])
    with pytest.raises(ModelDamaged, match=r"index_rows\.npy"):
        open_index(tmp_path, manifest(built.facts, IndexArrays.files()[:1]), vectors[0])


Change = Callable[[IndexArrays], dict[str, NDArray[np.generic]]]


@pytest.mark.parametrize(
    ("change", "array"),
    [
        (lambda a: {"index_rows": np.zeros_like(a.index_rows)}, "index_rows"),
        (lambda a: {"index_offsets": a.index_offsets[[0, 2, 1, *range(3, len(a.index_offsets))]]}, "index_offsets"),
        (lambda a: {"index_offsets": a.index_offsets + 1}, "index_offsets"),
        (lambda a: {"index_centres": a.index_centres[1:]}, "index_offsets"),
        (lambda a: {"index_longest": np.full_like(a.index_longest, np.nan)}, "index_longest"),
        (lambda a: {"index_vectors": a.index_vectors.astype(np.float64)}, "index_vectors"),
    ],
)
def test_arrays_that_do_not_fit_are_not_written(tmp_path: Path, built: BuiltIndex, change: Change, array: str) -> None:
    with pytest.raises(ModelRefused, match=array):
        dataclasses.replace(arrays_of(built), **change(arrays_of(built))).write(tmp_path)  # type: ignore[arg-type]
