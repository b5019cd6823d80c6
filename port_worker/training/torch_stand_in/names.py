"""Names of torch that LibRecommender's modules use while they are imported, and never after that without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Missing:
    """A class of torch that is asked for (in an import, an annotation, an isinstance) but cannot be made."""

    def __init__(self, *_arguments: object, **_keywords: object) -> NoReturn:
        raise RuntimeError("torch is not installed: the extra `graph` brings it")


class Module(Missing):
    """The base of torch's neural networks, for the classes that LibRecommender derives from it."""


def undecorated() -> Callable[[Function], Function]:
    """In place of the decorators `no_grad()` and `inference_mode()`: there are no gradients to turn off."""
    return lambda function: function
