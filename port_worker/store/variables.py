"""What a model's training left off with: its trainable variables, for a training that goes on from there.

    variables_bpr.npy     (n,) float32, every variable after the other, each in C order
    variables_bpr.json    their names and shapes, and which features their rows belong to

Serving reads neither. The ids that rows belong to are the catalogue's. No pickle, and no names that TensorFlow would
execute: a name only finds the variable of the same name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import not_finite, read_array
from port_worker.store.durable import write_file
from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.manifest import Json


@dataclass(frozen=True, eq=False)
class VariablesFile:
    """The variables of one algorithm's model.

    values: by name, float32 of any shape. features: JSON of the `FeatureLayout` that sparse rows belong to, None for a
    model without features.
    """

    algorithm: str
    values: Mapping[str, NDArray[np.float32]]
    features: dict[str, Json] | None = None

    def write(self, folder: Path) -> None:
        """Raises ModelRefused for numbers that are not finite, OSError."""
        for name, array in self.values.items():
            problem = not_finite(name, array)
            if problem:
                raise ModelRefused(*problem)
        shapes = [{"name": name, "shape": list(array.shape)} for name, array in self.values.items()]
        document = {"algorithm": self.algorithm, "variables": shapes, "features": self.features}
        np.save(folder / _numbers_file(self.algorithm), self._flat(), allow_pickle=False)
        write_file(folder / _names_file(self.algorithm), json.dumps(document, allow_nan=False).encode())

    def _flat(self) -> NDArray[np.float32]:
        parts = [array.astype(np.float32, copy=False).ravel() for array in self.values.values()]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    @classmethod
    def open(cls, folder: Path, algorithm: str) -> VariablesFile | None:
        """What `write` wrote; None where a version keeps none of that algorithm. Raises ModelDamaged."""
        path = folder / _names_file(algorithm)
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_bytes())
            return cls(algorithm, _split(document, read_array(folder, _stem(algorithm))), document["features"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelDamaged(folder.name, path.name, "names and shapes of variables", error) from error


def _split(document: Any, numbers: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    shapes = {str(each["name"]): tuple(int(size) for size in each["shape"]) for each in document["variables"]}
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()], dtype=np.int64)
    if numbers.dtype != np.float32 or numbers.shape != (int(ends[-1]) if len(ends) else 0,):
        raise ValueError(f"{shapes} do not fit {numbers.dtype} of shape {numbers.shape}")
    parts = np.split(numbers, ends[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _stem(algorithm: str) -> str:
    return f"variables_{algorithm.lower()}"


def _names_file(algorithm: str) -> str:
    return f"{_stem(algorithm)}.json"


def _numbers_file(algorithm: str) -> str:
    return f"{_stem(algorithm)}.npy"
