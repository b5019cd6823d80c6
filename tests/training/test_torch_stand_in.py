"""The stand-in against the real torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from port_worker.training import torch_stand_in
from port_worker.training.torch_stand_in import data
from port_worker.training.torch_stand_in.generator import Generator, default_generator, manual_seed

ROOT = Path(__file__).parents[2]


class Squares:
    """Ten numbers; asked for a list of indices, as LibRecommender's batches are."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, indices: list[int]) -> list[int]:
        return [index * index for index in indices]


def loader(sampler: data.SequentialSampler) -> data.DataLoader:
    batches = data.BatchSampler(sampler, batch_size=4, drop_last=False)
    return data.DataLoader(Squares(), batch_size=None, sampler=batches, collate_fn=tuple, num_workers=0)


def test_batches_in_order() -> None:
    batches = loader(data.SequentialSampler(Squares()))
    assert len(batches) == 3
    assert list(batches) == [(0, 1, 4, 9), (16, 25, 36, 49), (64, 81)]


def test_random_batches_hold_everything_once_and_differ_each_time() -> None:
    manual_seed(1)
    batches = loader(data.RandomSampler(Squares()))
    first, second = list(batches), list(batches)
    everything = sorted(square for batch in first for square in batch)
    assert everything == [number * number for number in range(10)]
    assert first != second


def test_a_seed_decides_the_order() -> None:
    def order(seed: int) -> list[int]:
        manual_seed(seed)
        return list(data.RandomSampler(Squares()))

    assert order(7) == order(7) != order(8)


def test_a_known_order() -> None:
    """As torch 2.13 draws it: `torch.manual_seed(42)`, then a seed for a Generator, then its `randperm(10)`."""
    manual_seed(42)
    seed = default_generator().int63()
    assert seed == 6909045637428952499
    assert Generator(seed).permutation(10)[:5] == [4, 2, 8, 9, 1]


def test_what_it_cannot_do_it_refuses() -> None:
    batches = data.BatchSampler(data.SequentialSampler(Squares()), batch_size=4, drop_last=False)
    with pytest.raises(NotImplementedError):
        data.DataLoader(Squares(), batch_size=None, sampler=batches, collate_fn=tuple, num_workers=2)
    with pytest.raises(NotImplementedError):
        data.BatchSampler(data.SequentialSampler(Squares()), batch_size=4, drop_last=True)


def test_it_stands_in_only_where_torch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("torch")
    monkeypatch.setitem(sys.modules, "torch", real)
    assert not torch_stand_in.install_if_missing()
    assert sys.modules["torch"] is real


@pytest.mark.graph
@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 1, 2**63 - 1])
def test_its_numbers_are_torch_s(seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    manual_seed(seed)
    for _ in range(3):
        assert default_generator().int63() == int(torch.empty((), dtype=torch.int64).random_().item())
    for size in (0, 1, 2, 3, 1000, 100_003):
        generator = torch.Generator()
        generator.manual_seed(seed)
        assert Generator(seed).permutation(size) == torch.randperm(size, generator=generator).tolist()


@pytest.mark.graph
def test_models_are_the_same_with_either(tmp_path: Path) -> None:
    files = [tmp_path / f"{which}.npz" for which in ("real", "stand-in")]
    for file in files:
        command = [sys.executable, "-m", "tests.training.stand_in_peer", file.stem, str(file)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    real, stand_in = (np.load(file) for file in files)
    assert len(real.files) == 10
    for name in real.files:
        # The batches are the same; sums over threads are not always taken in the same order.
        np.testing.assert_allclose(stand_in[name], real[name], rtol=1e-4, atol=1e-6, err_msg=name)
