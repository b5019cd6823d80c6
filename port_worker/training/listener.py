"""Hears LibRecommender's training loops: which epoch, which batch, what loss.

It has no callbacks, and cannot be told to stop. Its loops go through `tqdm` (batches of TensorFlow and torch, passes of
gensim over its corpus) or through `time_block` (epochs of ALS; the one step of neighbourhood models): names in its
modules, which are exchanged for ours while a model is fitted. Where no further epoch may begin, those that are left
find nothing to do: no batch, no sentence, no update; what comes after the loop is as ever. Neighbourhood models have no
epochs, and cannot be stopped.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeAlias
from unittest.mock import patch


class Hear(Protocol):
    """`epochs_done` is a fraction within an epoch; `loss` the mean of the running epoch, None if there is none."""

    def __call__(self, epochs_done: float, loss: float | None) -> None: ...


MayBegin: TypeAlias = Callable[[int], bool]
"""Whether one more epoch may begin, after so many."""


def _always(_epochs_done: int) -> bool:
    return True


@contextmanager
def listening(model: Any, family: str, hear: Hear, may_begin: MayBegin = _always) -> Iterator[None]:
    """While the context lasts, fitting `model` calls `hear`, and asks before each epoch whether it may begin."""
    with ExitStack() as stack:
        for module, name, replacement in _FAMILIES[family](model, hear, _Gate(may_begin)):
            stack.enter_context(patch.object(importlib.import_module(module), name, replacement))
        yield


_Replacement = tuple[str, str, Any]


class _Gate:
    """Counts the epochs that have begun. Once it is closed it stays so."""

    def __init__(self, may_begin: MayBegin) -> None:
        self._may_begin = may_begin
        self.epochs = 0
        self.closed = False

    def opens(self) -> bool:
        """Whether the next epoch begins."""
        self.closed = self.closed or not self._may_begin(self.epochs)
        self.epochs += not self.closed
        return not self.closed


def _timed(*modules: str) -> _Family:
    def replacements(_model: Any, hear: Hear, _gate: _Gate) -> list[_Replacement]:
        steps_done = 0

        @contextmanager
        def time_block(*_arguments: object, **_options: object) -> Iterator[None]:
            nonlocal steps_done
            hear(steps_done, None)
            yield
            steps_done += 1
            hear(steps_done, None)

        return [(f"libreco.{module}", "time_block", time_block) for module in modules]

    return replacements


def _als(_model: Any, hear: Hear, gate: _Gate) -> list[_Replacement]:
    from libreco.algorithms import _als

    update = _als.als_update

    @contextmanager
    def time_block(*_arguments: object, **_options: object) -> Iterator[None]:
        if gate.opens():
            hear(gate.epochs - 1, None)
        yield

    def als_update(**arguments: object) -> None:
        if not gate.closed:
            update(**arguments)

    # ALS imports the update when it is fitted, and calls it twice in each time block.
    return [("libreco.algorithms.als", "time_block", time_block), ("libreco.algorithms._als", "als_update", als_update)]


def _gensim(_model: Any, hear: Hear, gate: _Gate) -> list[_Replacement]:
    counted = False  # the first pass counts the vocabulary

    def tqdm(iterable: Any, **_options: object) -> Iterator[Any]:
        nonlocal counted
        if not counted:
            yield from iterable
            counted = True
        elif gate.opens():
            for position, element in enumerate(iterable):
                hear(gate.epochs - 1 + position / len(iterable), None)
                yield element

    return [(f"libreco.algorithms.{module}", "tqdm", tqdm) for module in ("item2vec", "deepwalk")]


def _batches(model: Any, hear: Hear, gate: _Gate, tap: Callable[[Any, _Losses], None]) -> Callable[..., Iterator[Any]]:
    losses = _Losses()

    def tqdm(loader: Any, **_options: object) -> Iterator[Any]:
        if not gate.opens():
            return
        if gate.epochs == 1:
            tap(model.trainer, losses)
        losses.clear()
        for position, batch in enumerate(loader):
            hear(gate.epochs - 1 + position / len(loader), losses.mean())
            yield batch
        hear(gate.epochs, losses.mean())

    return tqdm


def _tensorflow(model: Any, hear: Hear, gate: _Gate) -> list[_Replacement]:
    return [("libreco.training.tf_trainer", "tqdm", _batches(model, hear, gate, _tap_session))]


def _torch(model: Any, hear: Hear, gate: _Gate) -> list[_Replacement]:
    return [("libreco.training.torch_trainer", "tqdm", _batches(model, hear, gate, _tap_compute_loss))]


_Family: TypeAlias = Callable[[Any, Hear, _Gate], list[_Replacement]]

_FAMILIES: dict[str, _Family] = {
    "als": _als,
    "cf": _timed("bases.cf_base"),
    "gensim": _gensim,
    "rust": _timed("bases.cf_base_rs", "algorithms.swing"),
    "tensorflow": _tensorflow,
    "torch": _torch,
}


class _Losses:
    """The losses of one epoch's batches so far."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0

    def add(self, loss: float) -> None:
        self._sum += loss
        self._count += 1

    def clear(self) -> None:
        self._sum, self._count = 0.0, 0

    def mean(self) -> float | None:
        """None before the first batch, and for a loss that is no finite number (JSON has none)."""
        return self._sum / self._count if self._count and math.isfinite(self._sum) else None


class _TappedSession:
    """A TensorFlow session that notes the loss of each training step."""

    def __init__(self, session: Any, training_op: Any, losses: _Losses) -> None:
        self._session = session
        self._training_op = training_op
        self._losses = losses

    def run(self, fetches: Any, *arguments: Any) -> Any:
        results = self._session.run(fetches, *arguments)
        if isinstance(fetches, tuple) and fetches[-1] is self._training_op:
            self._losses.add(float(results[0]))
        return results


def _tap_session(trainer: Any, losses: _Losses) -> None:
    trainer.sess = _TappedSession(trainer.sess, trainer.training_op, losses)


def _tap_compute_loss(trainer: Any, losses: _Losses) -> None:
    compute = trainer._compute_loss

    def tapped(batch: Any) -> Any:
        loss = compute(batch)
        losses.add(float(loss.detach()))
        return loss

    trainer._compute_loss = tapped
