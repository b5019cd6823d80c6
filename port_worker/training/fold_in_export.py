"""What an embedding model takes along to fold in users whom it has not learnt: which method, and its arrays.

Chosen by measurement on the fixture's world (2,000 users, 1,500 items, 120,000 visits, seed 7): 400 users are unknown
to the training; the first four fifths of their items, in order of time, are folded in; recall@10 of the last fifth.
What is popular finds 0.121. `tests/training/held_out.py` measures it.

own: what the other 1,600 users find of theirs by their learnt vectors (what is popular: 0.129).
mean: the mean of item vectors. ridge: the step of ALS, for vectors of any algorithm.
map: a ridge regression, learnt at the export, of the learnt users on the mean of their items.
of 1, of 5: what the chosen one finds after so many items.

    algorithm           own   mean  ridge    map  chosen         of 1   of 5  times what is popular
    ALS               0.402  0.389  0.396  0.392  least_squares 0.261  0.303  3.3
    BPR               0.319  0.291  0.282  0.323  map           0.216  0.266  2.7
    SVD               0.315  0.183  0.312  0.343  map           0.226  0.275  2.8
    SVDpp             0.291  0.030  0.264  0.356  map           0.225  0.262  2.9
    TwoTower          0.274  0.240  0.242  0.339  map           0.229  0.241  2.8
    YouTubeRetrieval  0.249  0.191  0.138  0.326  map           0.206  0.264  2.7
    Item2Vec          0.273  0.295  0.315  0.288  mean          0.196  0.225  2.4
    DeepWalk          0.137  0.149  0.087  0.175  map           0.127  0.138  1.4
    RNN4Rec           0.187  0.199  0.174  0.226  map           0.152  0.186  1.9
    Caser             0.211  0.096  0.130  0.198  map           0.150  0.184  1.6
    WaveNet           0.217  0.104  0.131  0.196  map           0.159  0.179  1.6
    LightGCN          0.338  0.299  0.305  0.346  map           0.244  0.281  2.8
    NGCF              0.293  0.054  0.290  0.313  map           0.196  0.224  2.6
    GraphSage         0.143  0.082  0.133  0.147  map           0.132  0.132  1.2

Item2Vec's mean is what the model itself does, so it is kept; DeepWalk's, which does the same, falls below what is
popular for users of few items (0.06 of 1). Of TwoTower, YouTubeRetrieval, RNN4Rec, Caser and WaveNet these are the
figures without an encoder. Maps find more than most learnt vectors, for they cannot learn a user by heart. Tried and
left: the exact implicit part of SVD++ with a mean user's own (0.324), LightGCN's propagation from items (0.317); and
for known users with new items, to move their own vector by the map of what is new (BPR 0.329, map 0.343; SVD 0.324,
0.360; TwoTower 0.291, 0.351). PinSage was not measured with its defaults, which train for long; it has GraphSage's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import Arrays
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.fold_in import FoldInFacts, GramArrays, LeastSquaresFacts, MapArrays, MapFacts, MeanFacts
from port_worker.training.catalogue import Params

PRIOR = 1.0
"""The weight of a mean user's items beside log(1 + weight) of each item met. Without it a first visit is taken for all
that there is to know: of those who had one, TwoTower finds 0.11 then, 0.23 with it, and no less with many."""

RIDGE = 0.3
"""In units of the mean variance of a factor. 0.1 to 1 were within 0.02 for most algorithms."""

_USERS_AT_ONCE = 8192
_BIAS_COLUMNS = {"BPR": 1, "SVD": 2, "SVDpp": 2, "YouTubeRetrieval": 1, "RNN4Rec": 1, "Caser": 1, "WaveNet": 1}


class FoldInExport(NamedTuple):
    """The facts for the manifest, and the arrays to write beside the model's; None where the method needs none."""

    facts: FoldInFacts
    arrays: Arrays | None


def bias_columns(algorithm: str) -> int:
    """How many of the last columns of the vectors are biases, or what the other side's biases are multiplied by."""
    return _BIAS_COLUMNS.get(algorithm, 0)


def export_fold_in(
    algorithm: str, params: Params, vectors: EmbeddingArrays, catalogue: CatalogueArrays
) -> FoldInExport:
    """How users are folded into this model, of these `params`."""
    if algorithm == "ALS":
        return _least_squares(params, vectors.item_vectors)
    if algorithm == "Item2Vec" or params.get("paradigm") == "i2i":
        return FoldInExport(MeanFacts(), None)
    return _learnt_map(vectors, catalogue)


def _least_squares(params: Params, item_vectors: NDArray[np.float32]) -> FoldInExport:
    reg, alpha = params["reg"], params["alpha"]
    assert isinstance(reg, float)
    assert isinstance(alpha, float)
    items = item_vectors.astype(np.float64)
    return FoldInExport(LeastSquaresFacts(reg, alpha), GramArrays(items.T @ items))


def _learnt_map(vectors: EmbeddingArrays, catalogue: CatalogueArrays) -> FoldInExport:
    """Ridge regression of the users' learnt vectors on the shrunken means of their items."""
    center = _Moments.of(vectors, catalogue, np.zeros(vectors.item_vectors.shape[1]), prior=0.0).mean_met
    moments = _Moments.of(vectors, catalogue, center, PRIOR)
    scale = float(np.trace(moments.met_met)) / len(center)
    ridge = RIDGE * scale if scale > 0 else 1.0  # all users alike: nothing to learn, and the map is 0
    found = np.linalg.solve(moments.met_met + ridge * np.eye(len(center)), moments.met_user)
    arrays = MapArrays(
        fold_in_center=center.astype(np.float32),
        fold_in_map=np.ascontiguousarray(found, dtype=np.float32),
        fold_in_constant=(moments.mean_user - moments.mean_met @ found).astype(np.float32),
    )
    return FoldInExport(MapFacts(PRIOR, moments.explained(found)), arrays)


class _Moments(NamedTuple):
    """Means, and covariances (times the number of users), of what users met and of their vectors."""

    mean_met: NDArray[np.float64]  # (d,)
    mean_user: NDArray[np.float64]  # (d,)
    met_met: NDArray[np.float64]  # (d, d)
    met_user: NDArray[np.float64]  # (d, d)
    user_user: float  # the trace alone

    @classmethod
    def of(
        cls, vectors: EmbeddingArrays, catalogue: CatalogueArrays, center: NDArray[np.float64], prior: float
    ) -> _Moments:
        """Of all users, some at a time."""
        count, factors = vectors.user_vectors.shape
        sums = np.zeros(2 * factors)
        products = np.zeros((2 * factors, 2 * factors))
        for start in range(0, count, _USERS_AT_ONCE):
            users = slice(start, min(start + _USERS_AT_ONCE, count))
            met = _met(vectors.item_vectors, catalogue, users, center, prior)
            both = np.hstack([met, vectors.user_vectors[users]])
            sums += both.sum(axis=0)
            products += both.T @ both
        means = sums / count
        products -= count * np.outer(means, means)
        met_met, met_user = products[:factors, :factors], products[:factors, factors:]
        user_user = float(np.trace(products[factors:, factors:]))
        return cls(means[:factors], means[factors:], met_met, met_user, user_user)

    def explained(self, found: NDArray[np.floating]) -> float:
        """The share of the variance of user vectors that a map accounts for."""
        if self.user_user <= 0:
            return 0.0
        unexplained = self.user_user - 2 * np.sum(found * self.met_user) + np.sum(found * (self.met_met @ found))
        return round(1 - float(unexplained) / self.user_user, 4)


def _met(
    item_vectors: NDArray[np.float32],
    catalogue: CatalogueArrays,
    users: slice,
    center: NDArray[np.float64],
    prior: float,
) -> NDArray[np.float64]:
    """(b, d) what serving's `LinearMap` makes of each user's items before it maps it."""
    from scipy.sparse import csr_matrix

    indptr = catalogue.consumed_indptr[users.start : users.stop + 1]
    pairs = slice(int(indptr[0]), int(indptr[-1]))
    counted = np.log1p(np.maximum(catalogue.consumed_weights[pairs].astype(np.float64), 0))  # 0 teaches nothing
    shape = (len(indptr) - 1, len(item_vectors))
    taken = csr_matrix((counted, catalogue.consumed_items[pairs], indptr - indptr[0]), shape=shape)
    total = np.asarray(taken.sum(axis=1)).reshape(-1, 1)
    met: NDArray[np.float64] = (taken @ item_vectors.astype(np.float64) - total * center) / (total + prior)
    return met
