"""A version in the files from which libserving fills its Redis."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays


def export(folder: Path, to: Path) -> None:
    """Write what libserving's `save_embed` writes, but for the ids: those are text here, of which it takes none.

    Its server takes them: the requests are the same for all. Raises OSError.
    """
    catalogue, vectors = CatalogueArrays.open(folder), EmbeddingArrays.open(folder)
    users, items = ([one.decode() for one in ids.tolist()] for ids in (catalogue.user_ids, catalogue.item_ids))
    consumed, ends = catalogue.consumed_items.tolist(), catalogue.consumed_indptr.tolist()
    files: dict[str, Any] = {
        "model_name": {"model_name": "ALS"},
        "user2id": {user: row for row, user in enumerate(users)},
        "id2item": dict(enumerate(items)),
        "item2id": {item: row for row, item in enumerate(items)},
        "user_consumed": {row: consumed[start:end] for row, (start, end) in enumerate(pairwise(ends))},
        "user_embed": dict(enumerate(vectors.user_vectors.tolist())),
    }
    for name, content in files.items():
        (to / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
