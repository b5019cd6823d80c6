"""Variables that a later training starts from: the same numbers by the same names, or said to be damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.variables import VariablesFile


@pytest.fixture
def variables() -> VariablesFile:
    values = {
        "embedding/user_embeds_var": np.arange(6, dtype=np.float32).reshape(3, 2),
        "dense/bias": np.array([0.5], dtype=np.float32),
        "conv1d/kernel": np.arange(8, dtype=np.float32).reshape(2, 2, 2),
    }
    return VariablesFile("DeepFM", values, {"sparse_size": 3})


def test_they_come_back_as_they_were(variables: VariablesFile, tmp_path: Path) -> None:
    variables.write(tmp_path)
    found = VariablesFile.open(tmp_path, "DeepFM")
    assert found is not None
    assert list(found.values) == list(variables.values)
    for name, array in variables.values.items():
        np.testing.assert_array_equal(found.values[name], array)
        assert found.values[name].dtype == np.float32
    assert found.features == {"sparse_size": 3}
    assert {path.name for path in tmp_path.iterdir()} == {"variables_deepfm.npy", "variables_deepfm.json"}


def test_a_version_may_keep_none(variables: VariablesFile, tmp_path: Path) -> None:
    variables.write(tmp_path)
    assert VariablesFile.open(tmp_path, "BPR") is None


def test_two_stages_keep_theirs_apart(variables: VariablesFile, tmp_path: Path) -> None:
    variables.write(tmp_path)
    VariablesFile("BPR", {"embedding/item_bias_var": np.ones(4, dtype=np.float32)}).write(tmp_path)
    found = [VariablesFile.open(tmp_path, name) for name in ("BPR", "DeepFM")]
    assert [each and (len(each.values), each.features) for each in found] == [(1, None), (3, {"sparse_size": 3})]


def test_what_is_no_number_is_not_kept(tmp_path: Path) -> None:
    values = {"dense/bias": np.array([np.nan], dtype=np.float32)}
    with pytest.raises(ModelRefused, match="dense/bias: expected finite numbers"):
        VariablesFile("BPR", values).write(tmp_path)


def test_a_pickle_is_never_loaded(variables: VariablesFile, tmp_path: Path) -> None:
    variables.write(tmp_path)
    np.save(tmp_path / "variables_deepfm.npy", np.array([[1, "x"]], dtype=object), allow_pickle=True)
    with pytest.raises(ModelDamaged, match=r"variables_deepfm\.npy"):
        VariablesFile.open(tmp_path, "DeepFM")


@pytest.mark.parametrize(
    "names",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps({"variables": [{"name": "a", "shape": [2]}], "features": None}).encode(),
        json.dumps({"variables": [{"name": "a", "shape": [-15, -1]}], "features": None}).encode(),
        json.dumps({"variables": [{"name": "a", "shape": ["x"]}], "features": None}).encode(),
        json.dumps({"variables": [{"name": "a", "shape": [15]}]}).encode(),
    ],
    ids=["nothing", "list", "no keys", "too deep", "other size", "negative", "no sizes", "no features"],
)
def test_names_that_do_not_fit_are_damage(variables: VariablesFile, tmp_path: Path, names: bytes) -> None:
    variables.write(tmp_path)
    (tmp_path / "variables_deepfm.json").write_bytes(names)
    with pytest.raises(ModelDamaged, match=r"variables_deepfm\.json"):
        VariablesFile.open(tmp_path, "DeepFM")
