"""One interface for all of them: subjects in, vectors out that multiply the stored item vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.encoders.convolution import ConvolutionBody
from port_worker.serving.encoders.dilation import DilationBody
from port_worker.serving.encoders.parts import Body, Given, Vectors
from port_worker.serving.encoders.recurrent import RecurrentBody
from port_worker.serving.encoders.tower import TowerBody
from port_worker.serving.features import FeatureRows, UserFeatures
from port_worker.serving.subject import Features
from port_worker.store.encoder import Architecture, Convolution, Dilation, EncoderArrays, Recurrent, Sizes, Tower


class Encoder(Protocol):
    """Computes users' vectors from what is known of them at the time of a call."""

    takes_sequence: bool
    takes_features: bool

    def vectors(
        self,
        sequences: Sequence[NDArray[np.int32]],
        rows: Sequence[int | None],
        features: Sequence[Features | None],
    ) -> Vectors:
        """(b, d) for b subjects; the product with an item's stored vector is LibRecommender's score.

        sequences: item rows, oldest first, of any length: the latest are looked at. An empty one is one of which
        nothing is known; where LibRecommender falls back to what it has learnt of the user, the caller does.
        rows: of the model's users, None for one that it does not know.
        features: as `check_features` returned them. None, or a name that is missing: what was learnt of the user.
        """
        ...

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        """Those that can be used, and the names of those whose value the model has never met, which are left out.

        Raises OptionError for a name that the model does not know or a value of the wrong type.
        """
        ...


_BODIES: Mapping[type[Architecture], Callable[[EncoderArrays], Body]] = {
    Recurrent: RecurrentBody,
    Convolution: ConvolutionBody,
    Dilation: DilationBody,
    Tower: TowerBody,
}


class ArrayEncoder:
    """An `Encoder` of stored arrays. Holds no state that a call changes."""

    def __init__(self, stored: EncoderArrays) -> None:
        description = stored.description
        self._sizes: Sizes = description.sizes
        self._body = _BODIES[type(description.architecture)](stored)
        self.takes_sequence = description.sizes.max_seq_len > 0
        self._features = _user_features(stored)
        self.takes_features = bool(self._features.names)
        self.check_features = self._features.check

    def vectors(
        self,
        sequences: Sequence[NDArray[np.int32]],
        rows: Sequence[int | None],
        features: Sequence[Features | None],
    ) -> Vectors:
        """See `Encoder`."""
        unknown, length = self._sizes.users, self._sizes.max_seq_len
        latest = [sequence[-length:] for sequence in sequences] if length else sequences
        users = np.array([unknown if row is None else row for row in rows], dtype=np.intp)
        return self._finished(self._body.outputs(Given(latest, users, self._features.rows(users, features))))

    def _finished(self, outputs: Vectors) -> Vectors:
        if self._sizes.norm_embed:
            norms = np.sqrt(np.einsum("ij,ij->i", outputs, outputs))
            outputs /= np.maximum(norms, np.finfo(np.float32).tiny)[:, None]  # a vector of zeros stays one
        if not self._sizes.pseudo_bias:
            return outputs
        found = np.ones((len(outputs), outputs.shape[1] + 1), dtype=np.float32)
        found[:, :-1] = outputs
        return found


def _user_features(stored: EncoderArrays) -> UserFeatures:
    rows = stored.description.sizes.users + 1
    sparse = stored.arrays.get("user_sparse", np.zeros((rows, 0), dtype=np.int32))
    dense = stored.arrays.get("user_dense", np.zeros((rows, 0), dtype=np.float32))
    return UserFeatures(stored.description.features, FeatureRows(sparse, dense))
