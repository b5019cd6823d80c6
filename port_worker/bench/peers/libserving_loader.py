"""Fills Redis and writes the faiss index of libserving, with the Python that libserving runs in.

`PYTHON -I libserving_loader.py CHECKOUT EXPORT ITEM_VECTORS INDEX PORT`: EXPORT is the folder of JSON files that
`libserving_export` writes, ITEM_VECTORS a .npy of the items, INDEX where their index goes, PORT that of Redis on this
machine. It imports nothing of port_worker, which that Python does not have.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main(checkout: str, export: str, item_vectors: str, index: str, port: str) -> None:
    """By libserving's own `embed2redis`. The index is faiss's exact one: libserving's default leaves items out."""
    import faiss
    import numpy as np

    # By its path: the package around it imports LibRecommender.
    path = Path(checkout, "libserving", "serialization", "redis.py")
    spec = importlib.util.spec_from_file_location("libserving_redis", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.embed2redis(export, host="127.0.0.1", port=int(port))

    vectors = np.load(item_vectors)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.write_index(flat, index)


if __name__ == "__main__":
    main(*sys.argv[1:])
