"""The page of a version: everything on it, nothing outside of it, nothing of the data taken for markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from port_worker.report.findings import findings
from port_worker.report.page import page
from port_worker.serving.requests import Id
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import UnknownVersion
from port_worker.store.manifest import Json
from port_worker.store.models import ModelStore
from tests.models import catalogue_arrays, publish_embedding

FIGURES: dict[str, Json] = {"recall": 0.5, "ndcg": 0.25, "map": 0.125, "coverage": 1.0, "novelty": 3.5}
SHARES: list[Json] = [0.5, 0.25, 0.25, *[0.0] * 7]
FACTS: dict[str, Json] = {
    "evaluation": {
        "users": 1234,
        "cutoff": 10,
        "candidate": FIGURES,
        "popularity": {**FIGURES, "ndcg": 0.0625},
        "active": None,
        "basis": None,
        "bias": {"met": SHARES, "candidate": SHARES},
    },
    "losses": {"fit": [0.9, None, 0.5]},
    "rows_by_day": {"first_day": 20_000, "rows": [5, 0, 7]},
    "learnt_until": 20_002 * 86_400,
    "verdict": "NDCG@10 0.2500 to popularity's 0.0625 & more",
}


class Parsed(HTMLParser):
    """Tags that are closed in order, and the addresses in attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if value and name in ("src", "href", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def published(store: ModelStore, facts: Mapping[str, Json]) -> str:
    items: list[Id] = [f"item-{number:02}" for number in range(12)]
    random = np.random.default_rng(2)
    vectors = EmbeddingArrays(*(random.normal(size=(rows, 4)).astype(np.float32) for rows in (3, 12)))
    return publish_embedding(
        store, catalogue_arrays(["a", "b", "c"], items, [[0, 1], [1, 2], [1]]), vectors, facts=facts
    )


def named(ids: Sequence[Id]) -> Mapping[Id, str]:
    return {item: "<Lava & Lamp>" for item in ids if item == "item-01"}


def test_everything_is_on_it_and_nothing_outside_of_it(store: ModelStore) -> None:
    version = published(store, FACTS)
    text = page(findings(store, version, named))
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.tags.count("svg") == 4
    assert "script" not in parsed.tags
    assert [address for address in parsed.addresses if not address.startswith("#")] == []
    assert not re.search(r"url\((?!#)", text)
    for said in (
        version,
        "1,234 users",
        "0.0625",
        "popularity&#x27;s 0.0625 &amp; more",
        "2024-10-06 00:00:00 UTC",
        "ndcg@10",
    ):
        assert said in text
    assert "&lt;Lava &amp; Lamp&gt;" in text
    assert "<Lava" not in text


def test_the_same_version_makes_the_same_page(store: ModelStore) -> None:
    version = published(store, FACTS)
    assert page(findings(store, version, named)) == page(findings(store, version, named))


def test_of_a_version_that_was_not_evaluated_there_is_a_page_too(store: ModelStore) -> None:
    text = page(findings(store, published(store, {}), named))
    assert "it was not evaluated" in text
    assert "<svg" not in text
    assert Parsed(text).open == []


def test_a_version_that_is_not_there_is_said(store: ModelStore) -> None:
    with pytest.raises(UnknownVersion):
        findings(store, "20260101T000000Z-als-abcdef", named)
