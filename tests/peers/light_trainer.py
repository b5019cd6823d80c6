"""The trainer's whole course with a fit of numpy alone: `python -m tests.peers.light_trainer FD`.

Everything but LibRecommender is the real one: reading, holding out, evaluating, fitting once more, publishing.
"""

from __future__ import annotations

import sys

import numpy as np

from port_worker.store import embedding
from port_worker.store.embedding import EmbeddingArrays
from port_worker.training import child, fit
from port_worker.training.__main__ import take_streams
from port_worker.training.catalogue import Params
from port_worker.training.dataset import TrainingData
from port_worker.training.exported import Exported
from port_worker.training.progress import Reports

_FACTORS = 8
_EPOCHS = 20


def factorised(
    _algorithm: str, _params: Params, data: TrainingData, reporter: Reports, _start: object = None
) -> Exported:
    """The best vectors of few factors, found again and again, since a kill is to come now and then within a fit."""
    met = np.zeros((len(data.user_ids), len(data.item_ids)))
    met[data.users[data.positive], data.items[data.positive]] = 1.0
    for epoch in range(_EPOCHS):
        users, weights, items = np.linalg.svd(met, full_matrices=False)
        reporter.report("fit", (epoch + 1) / _EPOCHS, epoch=epoch + 1, epochs=_EPOCHS)
    vectors = EmbeddingArrays(
        user_vectors=np.ascontiguousarray(users[:, :_FACTORS] * weights[:_FACTORS], dtype=np.float32),
        item_vectors=np.ascontiguousarray(items[:_FACTORS].T, dtype=np.float32),
    )
    return Exported(embedding.KIND, (vectors,), {"bias_columns": 0})


def main(messages: int) -> None:
    life_line = take_streams(messages)
    vars(fit).update(load_libraries=lambda: None, fit=factorised)
    child.main(life_line, messages)


if __name__ == "__main__":
    main(int(sys.argv[1]))
