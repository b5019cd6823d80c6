"""The part of torch.utils.data that LibRecommender's TensorFlow training uses: samplers, a loader without workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from port_worker.training.torch_stand_in.generator import Generator, default_generator


class Sized(Protocol):
    """Anything with a length."""

    def __len__(self) -> int: ...


class Dataset:
    """The base of LibRecommender's batches."""


class SequentialSampler:
    """Indices in their order."""

    def __init__(self, data_source: Sized) -> None:
        self._size = len(data_source)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._size))


class RandomSampler(SequentialSampler):
    """Indices in an order that a seed from the process-wide generator decides, when it is first asked for one."""

    def __iter__(self) -> Iterator[int]:
        yield from Generator(default_generator().int63()).permutation(self._size)


class BatchSampler:
    """Lists of `batch_size` indices; the last may be shorter."""

    def __init__(self, sampler: SequentialSampler, batch_size: int, drop_last: bool) -> None:
        if drop_last:
            raise NotImplementedError("LibRecommender keeps the last batch")
        self._sampler = sampler
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._sampler) // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch:
            yield batch


class DataLoader:
    """Batches in this process. `batch_size` None means that the sampler gives whole batches of indices."""

    def __init__(
        self, dataset: Any, batch_size: None, sampler: BatchSampler, collate_fn: Callable[[Any], Any], num_workers: int
    ) -> None:
        if batch_size is not None or num_workers:
            raise NotImplementedError("only batches from a batch sampler, without worker processes")
        self._dataset = dataset
        self._sampler = sampler
        self._collate = collate_fn

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Any]:
        default_generator().int63()  # torch draws a seed for its workers here, even when it has none
        return (self._collate(self._dataset[batch]) for batch in self._sampler)


def get_worker_info() -> None:
    """None: this is no worker process of a loader."""
