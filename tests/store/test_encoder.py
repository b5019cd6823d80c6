from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.encoder import (
    Convolution,
    Description,
    Dilation,
    EncoderArrays,
    Recurrent,
    Sizes,
    Tower,
    files,
)
from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.features import DenseFeature, FeatureSide, SparseFeature

SIZES = Sizes(users=2, items=3, embed_size=4, max_seq_len=5, norm_embed=False, pseudo_bias=True)
SIDE = FeatureSide((SparseFeature("language", 0, {"de": 0, "en": 1}, 2, True),), (DenseFeature("age", 0, 30.0, 10.0),))
DESCRIPTIONS = [
    Description("RNN4Rec", SIZES, Recurrent("lstm", (3, 2), True)),
    Description("Caser", SIZES, Convolution(2, 1)),
    Description("WaveNet", SIZES, Dilation(2, (1, 2))),
    Description("YouTubeRetrieval", SIZES, Tower((3, 4), 3, SIDE)),
    Description("TwoTower", replace(SIZES, max_seq_len=0), Tower((3,), 0, FeatureSide())),
]


def filled(description: Description) -> EncoderArrays:
    dtypes = {"user_sparse": np.int32}
    shapes = description.shapes()
    return EncoderArrays(
        description, {name: np.ones(shape, dtype=dtypes.get(name, np.float32)) for name, shape in shapes.items()}
    )


def beside(description: Description, users: int = 2, items: int = 3, factors: int = 0) -> EmbeddingArrays:
    width = factors or description.vectors[2]
    return EmbeddingArrays(np.ones((users, width), dtype=np.float32), np.ones((items, width), dtype=np.float32))


@pytest.fixture
def tower() -> EncoderArrays:
    return filled(DESCRIPTIONS[3])


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda each: each.algorithm)
def test_what_was_written_is_opened(description: Description, tmp_path: Path) -> None:
    written = filled(description)
    written.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files(description))
    assert all(name.startswith("encoder_") for name in files(description))
    opened = EncoderArrays.open(tmp_path, json.loads(json.dumps(description.to_json())), beside(description))
    assert opened.description == description
    for name, array in written.arrays.items():
        np.testing.assert_array_equal(opened.arrays[name], array)
        assert type(opened.arrays[name]) is np.ndarray


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bias_0", np.full(3, np.nan, dtype=np.float32), "encoder_bias_0: expected finite numbers, found 3"),
        ("bias_0", np.ones(3), "float32 array of shape .3,., found float64"),
        ("bias_0", np.ones(4, dtype=np.float32), r"shape \(3,\), found float32 of shape \(4,\)"),
        ("kernel_0", np.ones((12, 3), dtype=np.float32, order="F"), "C-ordered"),
        ("user_sparse", np.full((3, 1), 3, dtype=np.int32), "encoder_user_sparse: expected rows 0 to 2"),
        ("user_sparse", np.full((3, 1), -1, dtype=np.int32), "encoder_user_sparse: expected rows 0 to 2"),
        ("user_sparse", np.ones((3, 1), dtype=np.int64), "int32"),
        ("user_dense", np.full((3, 1), np.inf, dtype=np.float32), "encoder_user_dense: expected finite numbers"),
        ("more", np.ones(1, dtype=np.float32), "expected the arrays"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tower: EncoderArrays, tmp_path: Path, name: str, value: Any, message: str
) -> None:
    with pytest.raises(ModelRefused, match=message):
        EncoderArrays(tower.description, {**tower.arrays, name: value}).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_shape_is_damage(tower: EncoderArrays, tmp_path: Path) -> None:
    tower.write(tmp_path)
    np.save(tmp_path / "encoder_bias_1.npy", np.ones(5, dtype=np.float32))
    with pytest.raises(ModelDamaged, match=r"encoder_bias_1\.npy: expected a C-ordered float32 array of shape \(4,\)"):
        EncoderArrays.open(tmp_path, tower.description.to_json(), beside(tower.description))


def test_a_file_that_is_missing_is_damage(tower: EncoderArrays, tmp_path: Path) -> None:
    tower.write(tmp_path)
    (tmp_path / "encoder_seq_embeds.npy").unlink()
    with pytest.raises(ModelDamaged, match=r"encoder_seq_embeds\.npy: expected a readable"):
        EncoderArrays.open(tmp_path, tower.description.to_json(), beside(tower.description))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": "BPR"}, "algorithm: expected one of RNN4Rec"),
        ({"algorithm": ["Caser"]}, "algorithm: expected one of RNN4Rec"),
        ({"algorithm": "Caser"}, "horizontal: expected int, found None"),
        ({"users": True}, "users: expected int, found True"),
        ({"users": 0}, "expected users, items and embed_size of 1 at least"),
        ({"norm_embed": 1}, "norm_embed: expected bool"),
        ({"max_seq_len": 0}, "expected max_seq_len of 0 for TwoTower, of 1 at least for others"),
        ({"max_seq_len": -1, "algorithm": "TwoTower"}, "expected max_seq_len of 0"),
        ({"algorithm": "TwoTower"}, "expected max_seq_len of 0"),
        ({"hidden_units": []}, "expected hidden_units of 1 at least"),
        ({"hidden_units": [3, 0]}, "expected hidden_units of 1 at least"),
        ({"hidden_units": [3, 4.0]}, "hidden_units: expected integers"),
        ({"hidden_units": 3}, "hidden_units: expected integers"),
        ({"sparse_size": 2}, "expected indices of language below 2"),
        ({"surplus": 1}, "unexpected surplus"),
        ({"features": None}, "expected an object of sparse and dense"),
        ({"features": {"sparse": {}, "dense": []}}, "expected a list of objects"),
        ({"features": {"sparse": [], "dense": [1]}}, "expected a list of objects"),
        ({"features": {"sparse": [{}], "dense": []}}, "expected a feature's name, field, indices"),
    ],
)
def test_a_description_that_is_none_is_damage(
    tower: EncoderArrays, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    tower.write(tmp_path)
    with pytest.raises(ModelDamaged, match=message):
        EncoderArrays.open(tmp_path, {**tower.description.to_json(), **change}, beside(tower.description))


@pytest.mark.parametrize(
    ("sort", "change", "message"),
    [
        ("sparse", {"indices": {"de": "0"}}, "indices of language: expected integers"),
        ("sparse", {"indices": {"de": 3}}, "indices of language below 3"),
        ("sparse", {"unknown": -1}, "indices of language below 3"),
        ("sparse", {"unknown_learnt": 1}, "unknown_learnt: expected bool, found 1"),
        ("dense", {"std": 0.0}, "age: expected a finite mean and a std above 0"),
        ("dense", {"mean": float("nan")}, "age: expected a finite mean and a std above 0"),
        ("dense", {"mean": "30"}, "mean: expected float, found '30'"),
    ],
)
def test_features_that_are_none_are_damage(
    tower: EncoderArrays, tmp_path: Path, sort: str, change: dict[str, Any], message: str
) -> None:
    tower.write(tmp_path)
    document: Any = tower.description.to_json()
    document["features"][sort][0] |= change
    with pytest.raises(ModelDamaged, match=message):
        EncoderArrays.open(tmp_path, document, beside(tower.description))


def test_no_description_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match=r"manifest\.json: expected the description of an encoder"):
        EncoderArrays.open(tmp_path, None, beside(DESCRIPTIONS[0]))


def test_a_cell_of_another_sort_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="expected a cell gru or lstm"):
        EncoderArrays.open(tmp_path, {**DESCRIPTIONS[0].to_json(), "cell": "rnn"}, beside(DESCRIPTIONS[0]))


@pytest.mark.parametrize(
    ("description", "factors"), [*zip(DESCRIPTIONS, [5, 9, 9, 5, 4], strict=True)], ids=lambda each: str(each)[:20]
)
def test_its_vectors_are_like_those_beside_it(description: Description, factors: int, tmp_path: Path) -> None:
    assert description.vectors == (2, 3, factors)
    filled(description).write(tmp_path)
    for other in ({"users": 3}, {"items": 2}, {"factors": factors + 1}):
        with pytest.raises(ModelDamaged, match=r"an encoder for \d users and \d items, of"):
            EncoderArrays.open(tmp_path, description.to_json(), beside(description, **other))
