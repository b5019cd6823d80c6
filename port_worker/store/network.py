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
from port_worker.store.program import Program, ProgramError

KIND = "network"
"""What a manifest calls a version that holds these files."""

PROGRAM_FILE = "network_program.json"


class Feeds:
    """The names of what a program is fed, for each subject; ITEM is resolved when the program is made."""

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


def write_program(folder: Path, program: Program) -> None:
    """Write the program's file. Raises OSError."""
    write_file(folder / PROGRAM_FILE, json.dumps(program.to_json()).encode())


def open_program(folder: Path, arrays: NetworkArrays) -> Program:
    """Read the program, and check that it fits the arrays. Raises ModelDamaged."""
    try:
        data: Any = json.loads((folder / PROGRAM_FILE).read_bytes())
        program = Program.from_json(data)
    except (OSError, ValueError, RecursionError) as error:
        expected = error.expected if isinstance(error, ProgramError) else "a readable program"
        raise ModelDamaged(folder.name, PROGRAM_FILE, expected, error) from error
    if program.weights > len(arrays.network_weights):
        raise ModelDamaged(folder.name, PROGRAM_FILE, f"at least {program.weights} weights", arrays.network_weights.size)
    return program
