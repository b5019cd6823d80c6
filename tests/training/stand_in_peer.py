"""Fits some models with the real torch or the stand-in and writes their vectors: `python -m ... real|stand-in FILE`."""

from __future__ import annotations

import sys

import numpy as np

from port_worker.store.embedding import EmbeddingArrays
from port_worker.training import catalogue, dataset, fit
from port_worker.training.progress import Reporter
from port_worker.training.torch_stand_in import install
from tests.training.conftest import make_interactions

MODELS: dict[str, dict[str, object]] = {
    "BPR": {"sampler": "unconsumed", "num_neg": 2},
    "SVD": {},
    "TwoTower": {"batch_size": 64},
    "RNN4Rec": {"sampler": "popular"},
    "YouTubeRetrieval": {},
}


def main(which: str, path: str) -> None:
    if which == "stand-in":
        install()
    fit.load_libraries()
    if catalogue.torch_installed() == (which == "stand-in"):
        raise SystemExit(f"expected the {which} torch, got the other")
    data = dataset.prepare(make_interactions())
    vectors = {}
    for name, given in MODELS.items():
        params = catalogue.validate(name, {"n_epochs": 3, "seed": 9, **given})
        params = fit.fitting_params(name, params, len(data.item_ids))
        arrays = fit.fit(name, params, data, Reporter(lambda _progress: None)).parts[0]
        assert isinstance(arrays, EmbeddingArrays)
        vectors[f"{name}.user"], vectors[f"{name}.item"] = arrays.user_vectors, arrays.item_vectors
    np.savez(path, allow_pickle=False, **vectors)


if __name__ == "__main__":
    main(*sys.argv[1:])
