"""Hears LibRecommender's training loops: which epoch, which batch, what loss.

It has no callbacks. Its loops go through `tqdm` (batches of TensorFlow and torch, passes of gensim over its corpus) or
through `time_block` (epochs of ALS; the one step of neighbourhood models): names in its modules, which are exchanged
for ours while a model is fitted.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest.mock import patch


class Hear(Protocol):
    """`epochs_done` is a fraction within an epoch; `loss` the mean of the running epoch, None if there is none."""

    def __call__(self, epochs_done: float, loss: float | None) -> None: ...


@contextmanager
def listening(model: Any, family: str, hear: Hear) -> Iterator[None]:
    """While the context lasts, fitting `model` calls `hear`."""
    with ExitStack() as stack:
        for module, name, replacement in _FAMILIES[family](model, hear):
            stack.enter_context(patch.object(importlib.import_module(module), name, replacement))
        yield


_Replacement = tuple[str, str, Any]


def _timed(*modules: str) -> Callable[[Any, Hear], list[_Replacement]]:
    def replacements(_model: Any, hear: Hear) -> list[_Replacement]:
        epochs_done = 0

        @contextmanager
        def time_block(*_arguments: object, **_options: object) -> Iterator[None]:
            nonlocal epochs_done
            hear(epochs_done, None)
            yield
            epochs_done += 1
            hear(epochs_done, None)

        return [(f"libreco.{module}", "time_block", time_block) for module in modules]

    return replacements


def _gensim(_model: Any, hear: Hear) -> list[_Replacement]:
    passes = -1  # the first pass counts the vocabulary

    def tqdm(iterable: Any, **_options: object) -> Iterator[Any]:
        nonlocal passes
        for position, element in enumerate(iterable):
            if passes >= 0:
                hear(passes + position / len(iterable), None)
            yield element
        passes += 1

    return [(f"libreco.algorithms.{module}", "tqdm", tqdm) for module in ("item2vec", "deepwalk")]


def _batches(model: Any, hear: Hear, tap: Callable[[Any, _Losses], None]) -> Callable[..., Iterator[Any]]:
    losses = _Losses()
    epochs = 0

    def tqdm(loader: Any, **_options: object) -> Iterator[Any]:
        nonlocal epochs
        if not epochs:
            tap(model.trainer, losses)
        losses.clear()
        for position, batch in enumerate(loader):
            hear(epochs + position / len(loader), losses.mean())
            yield batch
        epochs += 1
        hear(epochs, losses.mean())

    return tqdm


def _tensorflow(model: Any, hear: Hear) -> list[_Replacement]:
    return [("libreco.training.tf_trainer", "tqdm", _batches(model, hear, _tap_session))]


def _torch(model: Any, hear: Hear) -> list[_Replacement]:
    return [("libreco.training.torch_trainer", "tqdm", _batches(model, hear, _tap_compute_loss))]


_FAMILIES: dict[str, Callable[[Any, Hear], list[_Replacement]]] = {
    "als": _timed("algorithms.als"),
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
