"""Encoders of numbers drawn at random: what a batch, padding and odd sequences must not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.encoders.encoder import ArrayEncoder
from port_worker.serving.ranking import OptionError
from port_worker.serving.subject import Feature
from port_worker.store.encoder import (
    Architecture,
    Convolution,
    Description,
    Dilation,
    EncoderArrays,
    Recurrent,
    Sizes,
    Tower,
)
from port_worker.store.features import DenseFeature, FeatureSide, SparseFeature

USERS, ITEMS, WIDTH, LENGTH = 5, 30, 6, 8
NO_ROWS = np.zeros(0, dtype=np.int32)
SIDE = FeatureSide(
    (SparseFeature("language", 0, {"de": 0, "en": 1}, 2, True), SparseFeature("sort", 1, {"a": 3}, 4, False)),
    (DenseFeature("age", 0, 30.0, 10.0),),
)
SEQUENTIAL: dict[str, tuple[str, Architecture]] = {
    "gru": ("RNN4Rec", Recurrent("gru", (7, 4), False)),
    "gru-norm": ("RNN4Rec", Recurrent("gru", (7,), True)),
    "lstm": ("RNN4Rec", Recurrent("lstm", (4, 7), False)),
    "lstm-norm": ("RNN4Rec", Recurrent("lstm", (4, 7), True)),
    "caser": ("Caser", Convolution(3, 2)),
    "wavenet": ("WaveNet", Dilation(5, (1, 2, 4, 8, 16))),
    "youtube": ("YouTubeRetrieval", Tower((9, 4), 5, SIDE)),
}
WIDTHS = {"gru": WIDTH, "lstm": WIDTH, "caser": 2 * WIDTH, "wavenet": 2 * WIDTH, "youtube": 4}


def stored(algorithm: str, architecture: Architecture, length: int = LENGTH, **sizes: bool) -> EncoderArrays:
    rng = np.random.default_rng(3)
    given = {"norm_embed": False, "pseudo_bias": True, **sizes}
    description = Description(algorithm, Sizes(USERS, ITEMS, WIDTH, length, **given), architecture)
    arrays: dict[str, NDArray[Any]] = {
        name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in description.shapes().items()
    }
    if "user_sparse" in arrays:
        arrays["user_sparse"] = np.array([[0, 3], [1, 3], [2, 4], [0, 4], [1, 3], [2, 4]], dtype=np.int32)
    return EncoderArrays(description, arrays)


@pytest.fixture(params=SEQUENTIAL)
def of_a_sequence(request: pytest.FixtureRequest) -> EncoderArrays:
    return stored(*SEQUENTIAL[request.param])


def draw(rng: np.random.Generator, length: int) -> NDArray[np.int32]:
    return rng.integers(0, ITEMS, length).astype(np.int32)


def one(encoder: ArrayEncoder, sequence: NDArray[np.int32], row: int | None = None) -> NDArray[np.float32]:
    found: NDArray[np.float32] = encoder.vectors([sequence], [row], [None])[0]
    return found


def test_a_batch_is_each_alone(of_a_sequence: EncoderArrays) -> None:
    encoder, rng = ArrayEncoder(of_a_sequence), np.random.default_rng(1)
    sequences = [draw(rng, length) for length in (3, 0, 8, 1, 40, 8, 2, 0, 7)]
    rows = [0, None, 4, 3, None, 2, 1, 0, None]
    together = encoder.vectors(sequences, rows, [None] * 9)
    alone = [one(encoder, sequence, row) for sequence, row in zip(sequences, rows, strict=True)]
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5, atol=1e-6)


def test_only_the_latest_items_count(of_a_sequence: EncoderArrays) -> None:
    encoder, rng = ArrayEncoder(of_a_sequence), np.random.default_rng(2)
    latest = draw(rng, LENGTH)
    np.testing.assert_array_equal(one(encoder, np.concatenate([draw(rng, 9), latest])), one(encoder, latest))
    assert not np.allclose(one(encoder, np.concatenate([latest, draw(rng, 3)])), one(encoder, latest))


def test_the_arrays_and_the_call_s_are_left_as_they_were(of_a_sequence: EncoderArrays) -> None:
    before = {name: array.copy() for name, array in of_a_sequence.arrays.items()}
    for array in of_a_sequence.arrays.values():
        array.flags.writeable = False  # as a mapped file's are
    sequence = draw(np.random.default_rng(4), 20)
    sequence.flags.writeable = False
    encoder = ArrayEncoder(of_a_sequence)
    first = one(encoder, sequence, 1)
    one(encoder, sequence[::-1], 2)
    np.testing.assert_array_equal(one(encoder, sequence, 1), first)
    for name, array in before.items():
        np.testing.assert_array_equal(of_a_sequence.arrays[name], array)


@pytest.mark.parametrize("name", ["gru", "lstm", "youtube"])
@pytest.mark.parametrize("longer", [9, 200])
def test_how_much_longer_a_sequence_might_be_changes_nothing(name: str, longer: int) -> None:
    """These are computed of the items that there are; the convolutions have filters for their one length."""
    sequence = draw(np.random.default_rng(5), 5)
    short, long = (one(ArrayEncoder(stored(*SEQUENTIAL[name], length)), sequence) for length in (LENGTH, longer))
    np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize("length", [1, 2, 10, 11, 23])
def test_filters_of_every_height_look_at_every_window(length: int) -> None:
    arrays = stored("Caser", Convolution(3, 2), length)
    sequence = draw(np.random.default_rng(6), max(length - 2, 1))
    np.testing.assert_allclose(
        one(ArrayEncoder(arrays), sequence, 2)[:-1], caser(arrays, sequence, 2), rtol=1e-4, atol=1e-5
    )


def caser(arrays: EncoderArrays, sequence: NDArray[np.int32], user: int) -> NDArray[np.float64]:
    """The definition, window by window."""
    of = {name: array.astype(np.float64) for name, array in arrays.arrays.items()}
    length = arrays.description.sizes.max_seq_len
    seen = of["seq_embeds"][[*sequence.tolist(), *[ITEMS] * (length - len(sequence))]]
    found = []
    for height in range(1, length + 1):
        taps = of["horizontal_kernel"][height * (height - 1) // 2 :][:height]
        windows = [np.einsum("td,tdf->f", seen[at : at + height], taps) for at in range(length - height + 1)]
        found.append(np.maximum(np.max(windows, axis=0) + of["horizontal_bias"][height - 1], 0))
    vertical = np.maximum(seen.T @ of["vertical_kernel"] + of["vertical_bias"], 0)
    both = np.concatenate([*found, vertical.ravel()])
    return np.concatenate([of["user_embeds"][user], np.maximum(both @ of["out_kernel"] + of["out_bias"], 0)])


def test_a_step_further_apart_than_the_sequence_is_long_meets_nothing() -> None:
    near, far = (stored("WaveNet", Dilation(5, (apart,)), 4) for apart in (4, 1000))
    sequence = draw(np.random.default_rng(7), 4)
    np.testing.assert_array_equal(one(ArrayEncoder(near), sequence), one(ArrayEncoder(far), sequence))


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("bias", [True, False])
def test_unit_length_and_bias_are_the_description_s(name: str, bias: bool) -> None:
    encoder = ArrayEncoder(stored(*SEQUENTIAL[name], norm_embed=True, pseudo_bias=bias))
    plain = ArrayEncoder(stored(*SEQUENTIAL[name], norm_embed=False, pseudo_bias=False))
    sequences, rows = [draw(np.random.default_rng(8), 6), NO_ROWS], [1, None]
    found, before = (each.vectors(sequences, rows, [None, None]) for each in (encoder, plain))
    assert found.shape == (2, WIDTHS[name] + bias)
    expected = before / np.linalg.norm(before, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, : WIDTHS[name]], expected, rtol=1e-5)
    assert not bias or found[:, -1].tolist() == [1.0, 1.0]


def test_a_vector_of_zeros_stays_one() -> None:
    arrays = stored("TwoTower", Tower((4,), 0, FeatureSide()), 0, norm_embed=True, pseudo_bias=False)
    for array in arrays.arrays.values():
        array[...] = 0
    assert one(ArrayEncoder(arrays), NO_ROWS).tolist() == [0, 0, 0, 0]


@pytest.fixture
def tower() -> ArrayEncoder:
    return ArrayEncoder(stored("TwoTower", Tower((9, 4), 5, SIDE), 0))


def of_features(encoder: ArrayEncoder, row: int | None, **features: Feature) -> NDArray[np.float32]:
    checked, _ = encoder.check_features(features)
    found: NDArray[np.float32] = encoder.vectors([NO_ROWS], [row], [checked])[0]
    return found


def test_a_call_s_features_stand_before_what_is_known_of_the_user(tower: ArrayEncoder) -> None:
    assert (tower.takes_sequence, tower.takes_features) == (False, True)
    np.testing.assert_array_equal(of_features(tower, 0, language="de", sort="a"), one(tower, NO_ROWS, 0))
    assert not np.allclose(of_features(tower, 0, language="en"), one(tower, NO_ROWS, 0))
    assert not np.allclose(of_features(tower, 0, age=50), one(tower, NO_ROWS, 0))
    np.testing.assert_array_equal(one(tower, NO_ROWS, 0), of_features(tower, 0))


def test_one_subject_s_features_are_not_the_next_one_s(tower: ArrayEncoder) -> None:
    together = tower.vectors([NO_ROWS] * 3, [0, 0, None], [{"language": "en"}, None, {"age": 30.0}])
    np.testing.assert_allclose(together[0], of_features(tower, 0, language="en"), rtol=1e-5)
    np.testing.assert_allclose(together[1], one(tower, NO_ROWS, 0), rtol=1e-5)
    np.testing.assert_allclose(together[2], of_features(tower, None, age=30), rtol=1e-5)


@pytest.mark.parametrize(
    ("features", "field", "message"),
    [
        ({"colour": "red"}, "features.colour", "expected a feature of the model's: language, sort, age"),
        ({"language": "de", "sort": 3.0}, "features.sort", "expected text"),
        ({"language": True}, "features.language", "expected text"),
        ({"age": "30"}, "features.age", "expected a number, got 30"),
        ({"age": True}, "features.age", "expected a number"),
        ({"age": float("nan")}, "features.age", "expected a number from"),
        ({"age": float("inf")}, "features.age", "expected a number from"),
        ({"age": -1e30}, "features.age", "expected a number from"),
        ({"age": 10**400}, "features.age", "expected a number from"),
    ],
)
def test_features_that_the_model_cannot_take_are_refused(
    tower: ArrayEncoder, features: dict[str, Feature], field: str, message: str
) -> None:
    with pytest.raises(OptionError, match=message) as refused:
        tower.check_features(features)
    assert refused.value.field == field
    assert refused.value.known == (["language", "sort", "age"] if "colour" in features else [])


def test_values_that_were_never_met_are_named_and_left_out(tower: ArrayEncoder) -> None:
    checked, unmet = tower.check_features({"language": "tlh", "age": 31, "sort": ""})
    assert (dict(checked), unmet) == ({"age": 31}, ["language", "sort"])


@pytest.mark.parametrize("make", [lambda: SEQUENTIAL["gru"], lambda: SEQUENTIAL["caser"]], ids=["gru", "caser"])
def test_without_features_each_name_is_refused(make: Callable[[], tuple[str, Architecture]]) -> None:
    encoder = ArrayEncoder(stored(*make()))
    assert not encoder.takes_features
    assert encoder.check_features({}) == ({}, [])
    with pytest.raises(OptionError, match=r"features\.age: expected none: the model has none"):
        encoder.check_features({"age": 3})
