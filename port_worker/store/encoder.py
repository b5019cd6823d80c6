"""An encoder as it lies in a version's folder: what turns a recent sequence or features into a user's vector.

Its arrays are files `encoder_<name>.npy` beside those of the embedding model; its description is JSON in the manifest.
The description's numbers say which arrays there are and what shape each has, so nothing else has to be believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import Problem, Shape, _load, file_name, not_finite, rows_problem
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.features import FeatureSide
from port_worker.store.manifest import FILE_NAME, Json

PREFIX = "encoder_"
"""What the names of an encoder's arrays begin with, so that they never meet those of the model beside them."""


@dataclass(frozen=True)
class Recurrent:
    """RNN4Rec: layers of gated cells over the sequence, then a dense layer. `cell` is "gru" or "lstm"."""

    cell: str
    hidden_units: tuple[int, ...]
    layer_norm: bool

    def width(self, sizes: Sizes) -> int:
        """Of the vectors, the bias left out."""
        return sizes.embed_size

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """Of the arrays that belong to this architecture."""
        gates = {"gru": 3, "lstm": 4}[self.cell]
        inputs = (self.hidden_units[0], *self.hidden_units)
        found: dict[str, Shape] = {"seq_embeds": (sizes.items + 1, self.hidden_units[0])}
        for layer, (width, units) in enumerate(zip(inputs, self.hidden_units, strict=False)):
            found[f"kernel_{layer}"] = (width, gates * units)
            found[f"recurrent_{layer}"] = (units, gates * units)
            found[f"bias_{layer}"] = (gates * units,)
            if self.layer_norm:
                found |= {f"norm_scale_{layer}": (units,), f"norm_shift_{layer}": (units,)}
        return found | _dense("out", self.hidden_units[-1], sizes.embed_size)

    def problem(self) -> str | None:
        """What is wrong with the numbers themselves."""
        if self.cell not in ("gru", "lstm"):
            return "a cell gru or lstm"
        return _positive("hidden_units", self.hidden_units)


@dataclass(frozen=True)
class Convolution:
    """Caser: `horizontal` filters of every height up to the sequence's, and `vertical` ones across its whole length."""

    horizontal: int
    vertical: int

    def width(self, sizes: Sizes) -> int:
        """Of the vectors, the bias left out."""
        return 2 * sizes.embed_size  # the user's own comes first

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """`horizontal_kernel` holds the taps of the filters of height 1, then those of height 2, and so on."""
        length, width = sizes.max_seq_len, sizes.embed_size
        return {
            "user_embeds": (sizes.users + 1, width),
            "seq_embeds": (sizes.items + 1, width),
            "horizontal_kernel": (length * (length + 1) // 2, width, self.horizontal),
            "horizontal_bias": (length, self.horizontal),
            **_dense("vertical", length, self.vertical),
            **_dense("out", length * self.horizontal + width * self.vertical, width),
        }

    def problem(self) -> str | None:
        """What is wrong with the numbers themselves."""
        return _positive("horizontal and vertical", (self.horizontal, self.vertical))


@dataclass(frozen=True)
class Dilation:
    """WaveNet: causal convolutions of two taps, so many steps apart as `dilations` says, then one of a single tap."""

    filters: int
    dilations: tuple[int, ...]

    def width(self, sizes: Sizes) -> int:
        """Of the vectors, the bias left out."""
        return 2 * sizes.embed_size  # the user's own comes first

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """`kernel_<i>` is (taps, inputs, filters), the earlier step's tap first."""
        width = sizes.embed_size
        inputs = (width, *(self.filters for _ in self.dilations))
        found: dict[str, Shape] = {"user_embeds": (sizes.users + 1, width), "seq_embeds": (sizes.items + 1, width)}
        for layer, wide in enumerate(inputs[:-1]):
            found |= {f"kernel_{layer}": (2, wide, self.filters), f"bias_{layer}": (self.filters,)}
        return found | _dense("point", self.filters, self.filters) | _dense("out", self.filters, width)

    def problem(self) -> str | None:
        """What is wrong with the numbers themselves."""
        return _positive("filters and dilations", (self.filters, *self.dilations))


@dataclass(frozen=True)
class Tower:
    """TwoTower and YouTubeRetrieval: dense layers over the user's row or the sequence's sum, and the user's features.

    Batch normalisation is part of the layers' numbers. features: those of users; each is a row of the table of
    `sparse_size` rows, or a number that a row is multiplied by.
    """

    hidden_units: tuple[int, ...]
    sparse_size: int
    features: FeatureSide

    def width(self, sizes: Sizes) -> int:  # noqa: ARG002 - as of the others
        """Of the vectors, the bias left out."""
        return self.hidden_units[-1]

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """`user_sparse` and `user_dense` hold what the model knows of each user, and in a last row of none."""
        width, users = sizes.embed_size, sizes.users
        sparse, dense = len(self.features.sparse), len(self.features.dense)
        found: dict[str, Shape] = {"user_embeds": (users + 1, width)}
        if sizes.max_seq_len:
            found = {"seq_embeds": (sizes.items, width)}
        if sparse:
            found |= {"sparse_embeds": (self.sparse_size, width), "user_sparse": (users + 1, sparse)}
        if dense:
            found |= {"dense_embeds": (dense, width), "user_dense": (users + 1, dense)}
        inputs = (width * (1 + sparse + dense), *self.hidden_units)
        for layer, (wide, units) in enumerate(zip(inputs, self.hidden_units, strict=False)):
            found |= {f"kernel_{layer}": (wide, units), f"bias_{layer}": (units,)}
        return found

    def problem(self) -> str | None:
        """What is wrong with the numbers themselves."""
        return _positive("hidden_units", self.hidden_units) or self.features.index_problem(self.sparse_size)


Architecture = Recurrent | Convolution | Dilation | Tower

ARCHITECTURES: Mapping[str, type[Architecture]] = {
    "RNN4Rec": Recurrent,
    "Caser": Convolution,
    "WaveNet": Dilation,
    "YouTubeRetrieval": Tower,
    "TwoTower": Tower,
}
"""The algorithms that have an encoder."""


@dataclass(frozen=True)
class Sizes:
    """What all architectures have.

    max_seq_len: so many of the latest items are looked at; 0: the encoder takes no sequence.
    norm_embed: vectors are of length 1. pseudo_bias: a 1 comes after them, which the item's bias is multiplied by.
    """

    users: int
    items: int
    embed_size: int
    max_seq_len: int
    norm_embed: bool
    pseudo_bias: bool


@dataclass(frozen=True)
class Description:
    """What an encoder computes, apart from the numbers in its arrays."""

    algorithm: str
    sizes: Sizes
    architecture: Architecture

    @property
    def features(self) -> FeatureSide:
        """Those of users that are looked at."""
        return self.architecture.features if isinstance(self.architecture, Tower) else FeatureSide()

    def to_json(self) -> dict[str, Json]:
        """For the manifest."""
        document = _plain({"algorithm": self.algorithm, **asdict(self.sizes), **asdict(self.architecture)})
        return cast("dict[str, Json]", document)

    @classmethod
    def from_json(cls, document: Json) -> Description:
        """What `to_json` wrote. Raises ValueError, which says what was expected."""
        if not isinstance(document, dict):
            raise ValueError("expected an object")
        rest = dict(document)
        algorithm = rest.pop("algorithm", None)
        if not isinstance(algorithm, str) or algorithm not in ARCHITECTURES:
            raise ValueError(f"algorithm: expected one of {', '.join(ARCHITECTURES)}, found {algorithm!r}")
        found = cls(algorithm, _taken(Sizes, rest), _taken(ARCHITECTURES[algorithm], rest))
        if rest:
            raise ValueError(f"unexpected {', '.join(sorted(rest))}")
        problem = found._problem()
        if problem:
            raise ValueError(f"expected {problem}")
        return found

    @property
    def vectors(self) -> tuple[int, int, int]:
        """For how many users and items it makes vectors of how many factors."""
        factors = self.architecture.width(self.sizes) + self.sizes.pseudo_bias
        return self.sizes.users, self.sizes.items, factors

    def shapes(self) -> dict[str, Shape]:
        """The shape of each array by its name, the prefix left out."""
        return self.architecture.shapes(self.sizes)

    def _problem(self) -> str | None:
        sizes = self.sizes
        if sizes.max_seq_len < 0 or (sizes.max_seq_len == 0) is not (self.algorithm == "TwoTower"):
            return "max_seq_len of 0 for TwoTower, of 1 at least for others"
        return _positive("users, items and embed_size", (sizes.users, sizes.items, sizes.embed_size)) or (
            self.architecture.problem()
        )


@dataclass(frozen=True, eq=False)
class EncoderArrays:
    """A description, and the arrays that it asks for, by name. All are float32 but `user_sparse`, which is int32."""

    description: Description
    arrays: Mapping[str, NDArray[Any]]

    def write(self, folder: Path) -> None:
        """Check layout and contents, then write one file an array. Raises ModelRefused, OSError."""
        problem = self._layout_problem() or self._content_problem()
        if problem:
            raise ModelRefused(*problem)
        for name, array in self.arrays.items():
            np.save(folder / file_name(PREFIX + name), array, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path, document: Json, beside: EmbeddingArrays, *, mmap: bool = True) -> EncoderArrays:
        """Map (or read) the arrays of a version's folder that the description in its manifest asks for.

        Its vectors must be like those `beside` it. The contents were checked by `write`. Raises ModelDamaged.
        """
        try:
            description = Description.from_json(document)
        except ValueError as error:
            raise ModelDamaged(folder.name, FILE_NAME, "the description of an encoder", error) from error
        expected = (*beside.sizes, beside.item_vectors.shape[1])
        if description.vectors != expected:
            message = "an encoder for {} users and {} items, of {} factors".format(*expected)
            raise ModelDamaged(folder.name, FILE_NAME, message, description.vectors)
        arrays = cls(description, {name: _load(folder, PREFIX + name, mmap) for name in description.shapes()})
        problem = arrays._layout_problem()
        if problem:
            raise ModelDamaged(folder.name, file_name(problem.array), problem.expected, problem.found)
        return arrays

    def _layout_problem(self) -> Problem | None:
        shapes = self.description.shapes()
        if shapes.keys() != self.arrays.keys():
            return Problem(PREFIX, f"the arrays {', '.join(sorted(shapes))}", ", ".join(sorted(self.arrays)))
        for name, shape in shapes.items():
            array, dtype = self.arrays[name], _dtype(name)
            if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                found = f"{array.dtype} of shape {array.shape}"
                return Problem(PREFIX + name, f"a C-ordered {dtype} array of shape {shape}", found)
        return None

    def _content_problem(self) -> Problem | None:
        for name, array in self.arrays.items():
            problem = not_finite(PREFIX + name, array)
            if problem:
                return problem
        sparse = self.arrays.get("user_sparse")
        if sparse is None:
            return None
        return rows_problem(PREFIX + "user_sparse", sparse, len(self.arrays["sparse_embeds"]))


def files(description: Description) -> tuple[str, ...]:
    """The names of the files, for a check against a manifest."""
    return tuple(file_name(PREFIX + name) for name in description.shapes())


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(np.int32 if name == "user_sparse" else np.float32)


def _dense(name: str, inputs: int, units: int) -> dict[str, Shape]:
    return {f"{name}_kernel": (inputs, units), f"{name}_bias": (units,)}


def _positive(name: str, numbers: tuple[int, ...]) -> str | None:
    return None if numbers and min(numbers) > 0 else f"{name} of 1 at least"


def _plain(value: Any) -> Json:
    """As JSON has it: tuples are lists."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


_Part = TypeVar("_Part")


def _taken(part: type[_Part], rest: dict[str, Json]) -> _Part:
    """That part of a description; its keys are taken out of `rest`."""
    hints = get_type_hints(part)
    return part(
        **{field.name: _read(field.name, rest.pop(field.name, None), hints) for field in fields(cast("Any", part))}
    )


def _read(name: str, value: Json, hints: Mapping[str, Any]) -> Any:
    """A value of exactly its type, so a bool is no int."""
    hint = hints[name]
    if hint is FeatureSide:
        return FeatureSide.from_json(value)
    if hint == tuple[int, ...]:
        if isinstance(value, list) and all(type(each) is int for each in value):
            return tuple(value)
        raise ValueError(f"{name}: expected integers, found {value!r}")
    if type(value) is not hint:
        raise ValueError(f"{name}: expected {hint.__name__}, found {value!r}")
    return value
