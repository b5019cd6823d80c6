"""What a catalogue keeps of kinds, and what it knows of who met what."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from port_worker.serving import catalogue as module
from port_worker.serving.catalogue import Catalogue
from port_worker.serving.ranking import OptionError
from tests.models import catalogue_arrays

KINDS = ("avatar", "map", "prop", "world", "video")


@pytest.fixture
def catalogue() -> Catalogue:
    """Item i of 7 is of kind i; the last two are of none."""
    arrays = catalogue_arrays(
        ["u", "v"],
        [10, 20, 30, 40, 50, 60, 70],
        [[3, 0, 6], []],
        weights=[1.0, 0.0, -2.0],
        kinds=[0, 1, 2, 3, 4, 255, 255],
    )
    return Catalogue(arrays, KINDS, all_teach=False)


def test_a_mask_has_the_items_of_any_of_the_kinds(catalogue: Catalogue) -> None:
    assert np.flatnonzero(catalogue.of_kinds(("prop", "avatar"))).tolist() == [0, 2]
    assert np.flatnonzero(catalogue.of_kinds(KINDS)).tolist() == [0, 1, 2, 3, 4]


def test_a_mask_is_made_once(catalogue: Catalogue) -> None:
    assert catalogue.of_kinds(("map", "prop")) is catalogue.of_kinds(("map", "prop"))


def test_however_many_combinations_are_asked_for_few_masks_are_kept(catalogue: Catalogue) -> None:
    combinations = [some for count in (1, 2, 3) for some in itertools.permutations(KINDS, count)]
    for _ in range(2):
        for some in combinations:
            found = catalogue.of_kinds(some)
            assert np.flatnonzero(found).tolist() == sorted(map(KINDS.index, some))
            assert catalogue.of_kinds(some) is found  # the latest is kept
    assert len(combinations) > module._KEPT_MASKS == len(catalogue._masks)


def test_an_unknown_kind_is_named_and_kept_nowhere(catalogue: Catalogue) -> None:
    with pytest.raises(OptionError, match=r"kinds\[1\]: expected one of avatar, .*, got 'dance'"):
        catalogue.of_kinds(("map", "dance"))
    assert not catalogue._masks


def test_where_the_data_have_no_kinds_any_is_unknown() -> None:
    without = Catalogue(catalogue_arrays([1], [1]), (), all_teach=True)
    with pytest.raises(OptionError, match=r"kinds\[0\]: expected none: the model's data has no kinds, got 'map'"):
        without.of_kinds(("map",))


@pytest.mark.parametrize(
    ("user", "item", "met"),
    [
        ("u", 40, True),
        ("u", 10, True),  # met, though it taught nothing
        ("u", 20, False),
        ("v", 40, False),
        ("w", 40, False),
        ("u", 99, False),
        ("u", "40", False),
        (1, 40, False),
    ],
)
def test_who_met_what_in_training(catalogue: Catalogue, user: object, item: object, met: bool) -> None:
    assert catalogue.has_met(user, item) is met


def test_what_was_met_and_what_of_it_was_liked(catalogue: Catalogue) -> None:
    items, weights = catalogue.consumed(0)
    assert (items.tolist(), weights.tolist()) == ([3, 0, 6], [1.0, 0.0, -2.0])
    liked, liking = catalogue.learnt(0)
    assert (liked.tolist(), liking.tolist()) == ([3], [1.0])
    assert catalogue.learnt(1)[0].size == 0


def test_where_every_pair_teaches_what_was_met_was_liked() -> None:
    catalogue = Catalogue(catalogue_arrays([1], [1, 2], [[1, 0]]), (), all_teach=True)
    assert catalogue.learnt(0)[0].tolist() == catalogue.consumed(0)[0].tolist() == [1, 0]
