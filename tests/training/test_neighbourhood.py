"""The five neighbourhood models train, and what is served of their arrays is what LibRecommender recommends.

Left out of the comparison, as LibRecommender's own defects: for a user who has nothing that can be scored it draws from
100 popular items at random, with repetitions, and may give what they have had (`popular_recommendations`); where fewer
than n items have a score it gives a short list in silence, but Swing pads its own with such a draw, again with
repetitions and what is in the list already (pull request 526 of its repository made it so); equal scores come in the
order of an unstable sort.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.neighbourhood import NeighbourhoodScorer
from port_worker.serving.ranking import Ranked, Wanted
from port_worker.serving.subject import Subject
from port_worker.sources.columns import IdColumn, Interactions
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.neighbourhood import NeighbourhoodArrays, NeighbourhoodFacts
from port_worker.training import catalogue, dataset, fit, neighbourhood_export
from port_worker.training.catalogue import ALGORITHMS
from port_worker.training.dataset import TrainingData
from port_worker.training.errors import TrainingError
from port_worker.training.export import catalogue_arrays
from port_worker.training.listener import listening
from port_worker.training.neighbourhood_export import neighbourhood_arrays, neighbourhood_facts

USERS_COMPARED = 200
LENGTH = 10
TIE = 1e-5
"""LibRecommender adds in single precision and another order than ours: sums of up to 100 similarities, up to 1 each."""

NAMES = [name for name, algorithm in ALGORITHMS.items() if algorithm.kind == "neighbourhood"]
_NO_ROWS = np.empty(0, dtype=np.intp)

pytestmark = pytest.mark.usefixtures("_libraries")


class Fitted(NamedTuple):
    model: Any
    arrays: NeighbourhoodArrays
    scorer: NeighbourhoodScorer
    catalogue: CatalogueArrays

    def subject(self, row: int, *, fresh: bool = False) -> Subject:
        """What the model has learnt of a row."""
        items, weights = self.met(row)
        liked = weights > 0
        return Subject(row, items[liked], weights[liked], fresh)

    def met(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        stretch = slice(*self.catalogue.consumed_indptr[row : row + 2])
        return self.catalogue.consumed_items[stretch], self.catalogue.consumed_weights[stretch]

    def recommend(self, subject: Subject, banned: NDArray[np.intp] = _NO_ROWS, n: int = LENGTH) -> Ranked:
        return next(ranked for ranked in self.scorer.rank([Wanted(subject, n, banned, None)]) if ranked is not None)

    def scores(self, subject: Subject) -> NDArray[np.float32]:
        return next(scores for scores in self.scorer.scores([subject]) if scores is not None)


def fitted(name: str, data: TrainingData, folder: Path, **params: object) -> Fitted:
    """LibRecommender's model and ours, by way of a version's folder."""
    validated = catalogue.validate(name, params)
    train_set, info = dataset.train_set(data, weighted=False, seed=3)
    model = fit.new_model(ALGORITHMS[name], validated, info)
    model.fit(train_set, neg_sampling=True, verbose=0)
    neighbourhood_arrays(model, data).write(folder)
    arrays = NeighbourhoodArrays.open(folder)
    facts = NeighbourhoodFacts.from_json("v", neighbourhood_facts(name, validated).to_json())
    met = catalogue_arrays(data)
    assert arrays.catalogue_problem(len(met.user_ids), len(met.item_ids)) is None
    return Fitted(model, arrays, NeighbourhoodScorer(facts, arrays, met), met)


def kinds_of(data: TrainingData) -> NDArray[np.int64]:
    """The taste that each item is of, as `make_interactions` numbers them."""
    return ((1000 - data.item_ids.astype(np.int64)) // 7) % 3


def assert_the_same(theirs: list[int], ours: Ranked, scores: NDArray[np.float32]) -> None:
    """Their items in their order have our scores in our order; only equal ones may have changed places."""
    np.testing.assert_allclose(scores[theirs], ours.scores, rtol=TIE)
    apart = ours.rows[ours.scores > ours.scores[-1] * (1 + TIE)]
    assert set(apart.tolist()) <= set(theirs)


@pytest.mark.parametrize("filter_consumed", [True, False])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("UserCF", {}),
        ("UserCF", {"sim_type": "jaccard", "k_sim": 5, "mode": "forward"}),
        ("ItemCF", {}),
        ("ItemCF", {"sim_type": "jaccard", "k_sim": 30, "min_common": 3, "block_size": 7}),
        ("RsUserCF", {}),
        ("RsUserCF", {"k_sim": 20, "mode": "forward"}),
        ("RsItemCF", {}),
        ("RsItemCF", {"min_common": 4, "k_sim": 30}),
        ("Swing", {}),
        ("Swing", {"top_k": 40, "alpha": 1.0, "max_cache_num": 10_000}),
    ],
)
def test_what_is_served_equals_its_own_recommendations(
    name: str, params: dict[str, object], filter_consumed: bool, data: TrainingData, tmp_path: Path
) -> None:
    ours = fitted(name, data, tmp_path, **params)
    users = list(range(USERS_COMPARED))
    theirs = ours.model.recommend_user(users, LENGTH, filter_consumed=filter_consumed)
    for row in users:
        subject = ours.subject(row)
        banned = ours.met(row)[0].astype(np.intp) if filter_consumed else _NO_ROWS
        found = ours.recommend(subject, banned)
        assert ours.scorer.source(subject) == "model"
        assert len(found.rows) == LENGTH
        assert_the_same(theirs[row].tolist(), found, ours.scores(subject))


@pytest.mark.parametrize("name", ["UserCF", "ItemCF"])
def test_scores_equal_its_own(name: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, as they are before it ranks; in Rust they cannot be seen."""
    ours = fitted(name, data, tmp_path)
    for row in range(USERS_COMPARED):
        seen: dict[int, float] = {}

        def note(_user: int, ids: Any, preds: Any, *_others: object, into: dict[int, float] = seen) -> list[int]:
            into.update(zip(ids.tolist(), preds.tolist(), strict=True))
            return []

        monkeypatch.setattr(ours.model, "rank_recommendations", note)
        ours.model.recommend_one(row, LENGTH, False, False)
        scores = ours.scores(ours.subject(row))
        assert set(np.flatnonzero(scores > -np.inf).tolist()) == set(seen)
        np.testing.assert_allclose(scores[list(seen)], list(seen.values()), rtol=TIE)


@pytest.mark.parametrize("name", NAMES)
def test_who_is_folded_in_with_the_items_of_a_user_gets_what_they_get(
    name: str, data: TrainingData, tmp_path: Path
) -> None:
    """The same user, fresh: similarities computed while serving are training's to the bit."""
    params: dict[str, object] = {} if name == "Swing" else {"min_common": 2}
    if name == "RsUserCF":
        params["k_sim"] = 1000  # everybody: at a cut, Rust takes others of equally similar users
    ours = fitted(name, data, tmp_path, **params)
    for row in range(0, USERS_COMPARED, 5):
        known, fresh = ours.subject(row), ours.subject(row, fresh=True)
        assert ours.scorer.source(fresh) == "fold_in"
        scores = ours.scores(fresh)
        np.testing.assert_array_equal(scores, ours.scores(known))
        assert ours.recommend(fresh).rows.tolist() == ours.recommend(known).rows.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_with_a_taste_gets_that_taste(name: str, data: TrainingData, tmp_path: Path) -> None:
    ours = fitted(name, data, tmp_path)
    kinds = kinds_of(data)
    items = np.flatnonzero(kinds == 1)[:4].astype(np.int32)
    stranger = Subject(None, items, np.ones(4, dtype=np.float32), fresh=True)
    assert ours.scorer.source(stranger) == "fold_in"
    found = ours.recommend(stranger, items.astype(np.intp))
    assert np.count_nonzero(kinds[found.rows] == 1) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_items_most_like_one_are_of_its_kind(name: str, data: TrainingData, tmp_path: Path) -> None:
    ours = fitted(name, data, tmp_path)
    kinds = kinds_of(data)
    for row in range(0, 90, 9):
        similarity = ours.scorer.similarity(row, "cosine")
        assert similarity[row] == -np.inf
        assert np.count_nonzero(kinds[np.argsort(-similarity)[:10]] == kinds[row]) >= 8


@pytest.mark.parametrize("name", ["UserCF", "RsUserCF", "ItemCF", "RsItemCF"])
def test_similarity_of_items_is_the_cosine_of_their_sets_of_users(
    name: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood_export, "_ITEMS_AT_ONCE", 32)  # less than there are, so that blocks meet
    ours = fitted(name, data, tmp_path)
    met = np.zeros((len(data.user_ids), len(data.item_ids)))
    met[data.users[data.positive], data.items[data.positive]] = 1
    common = met.T @ met
    sizes = np.sqrt(np.diag(common))
    cosine = common / np.outer(sizes, sizes)
    np.fill_diagonal(cosine, -np.inf)
    cosine[common == 0] = -np.inf
    found = np.array([ours.scorer.similarity(row, "cosine") for row in range(len(data.item_ids))])
    np.testing.assert_allclose(found, cosine, rtol=1e-6)


def test_only_the_most_alike_items_are_kept(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood_export, "ALIKE_KEPT", 7)
    arrays = fitted("ItemCF", data, tmp_path).arrays
    assert set(np.diff(arrays.alike_indptr).tolist()) == {7}
    assert arrays.alike_items[:7].tolist() == arrays.neighbours[0, :7].tolist()
    assert arrays.neighbours.shape == (90, 20)


def test_pairs_that_are_not_positive_vote_for_nothing(data: TrainingData, tmp_path: Path) -> None:
    weights = data.weights.copy()
    weights[::7] = 0
    rated = replace(data, weights=weights)
    ours = fitted("UserCF", rated, tmp_path, k_sim=1)
    for row in range(20):
        neighbour = int(ours.arrays.neighbours[row, 0])
        items, weights_met = ours.met(neighbour)
        scored = np.flatnonzero(ours.scores(ours.subject(row)) > -np.inf)
        assert set(scored.tolist()) == set(items[weights_met > 0].tolist())


def lonely() -> TrainingData:
    """Two users who share items, and one whose only item nobody else has."""
    users = IdColumn.of(np.array([b"a", b"a", b"b", b"b", b"c"]))
    items = IdColumn.of(np.array([1, 2, 2, 3, 4]))
    ones = np.ones(5, dtype=np.float32)
    return dataset.prepare(Interactions(users, items, ones, np.arange(5)))


@pytest.mark.parametrize("name", ["UserCF", "ItemCF", "RsUserCF", "RsItemCF"])
def test_who_shares_nothing_with_anybody_is_a_matter_of_popularity(name: str, tmp_path: Path) -> None:
    ours = fitted(name, lonely(), tmp_path)
    alone = ours.subject(2)
    for subject in (alone, ours.subject(2, fresh=True), Subject(None, alone.items[:0], alone.weights[:0], True)):
        assert ours.scorer.source(subject) == "popular"
        assert ours.recommend(subject).rows.size == 0
        assert np.isneginf(ours.scores(subject)).all()
    assert ours.scorer.source(ours.subject(0)) == "model"
    assert len(ours.model.recommend_user(2, 4)[2]) == 4  # theirs: at random, repetitions among them


def test_fewer_are_scored_than_wanted_and_those_are_theirs(tmp_path: Path) -> None:
    ours = fitted("ItemCF", lonely(), tmp_path)
    assert ours.recommend(ours.subject(0), np.array([0, 1])).rows.tolist() == [2]
    assert ours.model.recommend_user(0, 3)[0].tolist() == [2]  # short, in silence


@pytest.mark.parametrize("name", NAMES)
def test_the_one_step_is_heard(name: str, data: TrainingData) -> None:
    heard: list[float] = []
    train_set, info = dataset.train_set(data, weighted=False, seed=3)
    model = fit.new_model(ALGORITHMS[name], catalogue.validate(name, {}), info)
    with listening(model, ALGORITHMS[name].family, lambda done, loss: heard.append(done)):
        model.fit(train_set, neg_sampling=True, verbose=0)
    assert heard == [0, 1]


@pytest.mark.parametrize("name", ["RsItemCF", "Swing"])
def test_a_file_that_recfarm_lays_out_otherwise_is_refused(
    name: str, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    train_set, info = dataset.train_set(data, weighted=False, seed=3)
    model = fit.new_model(ALGORITHMS[name], catalogue.validate(name, {}), info)
    model.fit(train_set, neg_sampling=True, verbose=0)
    whole = gzip.decompress
    for change in (lambda content: content + b"\0", lambda content: content[:-1]):
        monkeypatch.setattr(gzip, "decompress", lambda content, change=change: change(whole(content)))
        with pytest.raises(TrainingError, match="recfarm's saved model: expected") as caught:
            neighbourhood_arrays(model, data)
        assert caught.value.code == "training_failed"
