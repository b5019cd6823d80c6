"""A network that scores pairs of a user and an item: its program, its weights, and the features of its users."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import ArrayLayout, Arrays, Problem, not_finite
from port_worker.store.durable import write_file
from port_worker.store.errors import ModelDamaged
from port_worker.store.features import FeatureSide
from port_worker.store.manifest import FILE_NAME, Json
from port_worker.store.program import Program

KIND = "network"
"""What a manifest calls a version that holds these files, and the name of their fact in it."""

PROGRAM_FILE = "network_program.json"


class Feeds:
    """The names of what a program is fed for each subject; `ITEM` is gone when the program is made."""

    USER: Final = "user"
    ITEM: Final = "item"
    SEQUENCE: Final = "sequence"
    SEQUENCE_LENGTH: Final = "sequence_length"
    LONG: Final = "long"
    LONG_LENGTH: Final = "long_length"
    SHORT: Final = "short"
    SHORT_LENGTH: Final = "short_length"
    SPARSE: Final = "sparse"
    DENSE: Final = "dense"

    ALL: Final = frozenset(
        {USER, SEQUENCE, SEQUENCE_LENGTH, LONG, LONG_LENGTH, SHORT, SHORT_LENGTH, SPARSE, DENSE}
    )


@dataclass(frozen=True)
class NetworkFacts:
    """What a manifest says of a network.

    recent: how many of a user's latest items it looks at; 0 for one that takes no sequence. earlier: how many of those
    before them it looks at too, of which it picks (SIM). features: JSON of a `FeatureSide`, those of users.
    """

    recent: int
    earlier: int
    features: dict[str, Json]

    def to_json(self) -> dict[str, Json]:
        """What `from_json` reads."""
        return {"recent": self.recent, "earlier": self.earlier, "features": self.features}

    @classmethod
    def from_json(cls, version: str, document: Json) -> tuple[NetworkFacts, FeatureSide]:
        """With the features as they are used. Raises ModelDamaged."""
        try:
            if not isinstance(document, dict):
                raise TypeError("expected an object")
            recent, earlier, features = document["recent"], document["earlier"], document["features"]
            if type(recent) is not int or type(earlier) is not int or min(recent, earlier) < 0:
                raise ValueError(f"lengths: expected whole numbers, found {recent!r} and {earlier!r}")
            side = FeatureSide.from_json(features)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelDamaged(version, FILE_NAME, "facts.network to describe a network", error) from error
        assert isinstance(features, dict)
        return cls(recent, earlier, features), side


@dataclass(frozen=True, eq=False)
class NetworkArrays(Arrays):
    """What a network is made of, besides its program.

    network_weights: (n,) float32, the constants of the program.
    network_item_vectors: (items, d) float32, the items' embeddings, which tell how alike they are.
    network_user_sparse, network_user_dense: (users + 1, f) int32, (users + 1, g) float32, each user's features as the
        program takes them, and then those of an unknown user. Without features there are no columns.
    """

    network_weights: NDArray[np.float32]
    network_item_vectors: NDArray[np.float32]
    network_user_sparse: NDArray[np.int32]
    network_user_dense: NDArray[np.float32]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("network_weights", "float32", 1),
        ArrayLayout("network_item_vectors", "float32", 2),
        ArrayLayout("network_user_sparse", "int32", 2),
        ArrayLayout("network_user_dense", "float32", 2),
    )

    @property
    def sizes(self) -> tuple[int, int]:
        """How many users and items."""
        return len(self.network_user_sparse) - 1, len(self.network_item_vectors)

    def _fit_problem(self) -> Problem | None:
        users, items, factors = *self.sizes, self.network_item_vectors.shape[1]
        if min(users, items, factors) < 1:
            return Problem("network_item_vectors", "a user, an item and a factor", f"{users}, {items} and {factors}")
        return self._shape_problem({"network_user_dense": (users + 1, self.network_user_dense.shape[1])})

    def _content_problem(self) -> Problem | None:
        names = ("network_weights", "network_item_vectors", "network_user_dense")
        return next(filter(None, (not_finite(name, getattr(self, name)) for name in names)), None)


@dataclass(frozen=True)
class ProgramFile:
    """The program as a file of a version's folder."""

    program: Program

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        write_file(folder / PROGRAM_FILE, json.dumps(self.program.to_json(), allow_nan=False).encode())

    @classmethod
    def open(cls, folder: Path, arrays: NetworkArrays) -> ProgramFile:
        """Check it, and that it fits the arrays. Raises ModelDamaged."""
        try:
            data: Any = json.loads((folder / PROGRAM_FILE).read_bytes())
            program = Program.from_json(data)
            _check_fits(program, arrays)
        except (OSError, ValueError, RecursionError) as error:
            raise ModelDamaged(folder.name, PROGRAM_FILE, "a program of this model", error) from error
        return cls(program)


def _check_fits(program: Program, arrays: NetworkArrays) -> None:
    if program.weights > len(arrays.network_weights):
        raise ValueError(f"it needs {program.weights} weights, and there are {len(arrays.network_weights)}")
    unknown = {name for name, _ in program.feeds} - Feeds.ALL
    if unknown:
        raise ValueError(f"it is fed {', '.join(sorted(unknown))}, which nobody knows")
    for constant, _ in program.tables:
        shape, items = program.constants[constant].shape, arrays.sizes[1]
        if shape[:1] != (items,):
            raise ValueError(f"a table of {items} items has shape {shape}")
