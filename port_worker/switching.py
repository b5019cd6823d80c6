"""To another stored version by `activate`, `rollback` or the watch: one swap at a time, in steps between calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from port_worker.active_model import ActiveModel
from port_worker.serving.steps import Steps
from port_worker.store.errors import StoreError, StoreUnavailable
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import atom_keys


@dataclass
class _Switch:
    """A swap under way, and what served when it began."""

    version: str
    previous: str | None
    swap: Iterator[None]


class Switching:
    """At most one swap. `step` is called while it is `busy`."""

    def __init__(self, model: ActiveModel) -> None:
        self._model = model
        self._switch: _Switch | None = None

    @property
    def busy(self) -> bool:
        """Whether `step` has work to do at once."""
        return self._switch is not None

    def activate(self, version: str) -> None:
        """Begin the swap to a version. Raises ProtocolError: `unknown_version`, `swap_in_progress`."""
        self._begin(lambda: self._checked(version), self._model.swap)

    def roll_back(self) -> None:
        """Begin the swap to what was active before. Raises ProtocolError: `no_previous_version`, `swap_in_progress`."""
        self._begin(self._model.store.previous, self._model.swap_back)

    def follow(self, version: str) -> None:
        """Begin the swap to what another process has made active. Raises ProtocolError as `activate` does."""
        self._begin(lambda: self._checked(version), self._model.follow)

    def _checked(self, version: str) -> str:
        self._model.check_name(version)
        return version

    def _begin(self, target: Callable[[], str], swap: Callable[[str], Steps[None]]) -> None:
        if self._switch is not None:
            raise in_progress(self._switch.version)
        try:
            version = target()
        except (StoreError, OSError) as error:
            raise refusal(error) from error
        self._switch = _Switch(version, self._model.version, swap(version))

    def step(self) -> dict[Atom, Any] | None:
        """Go on by one slice. Returns the result when it just ended. Raises ProtocolError when it failed."""
        switch = self._switch
        if switch is None:
            return None
        try:
            for _slice in switch.swap:
                return None
        except (StoreError, OSError) as error:
            self.abandon()
            raise refusal(error) from error
        self._switch = None
        return atom_keys(version=switch.version, algorithm=self._model.serving.algorithm, previous=switch.previous)

    def abandon(self) -> None:
        """Give the swap up, if there is one: what serves goes on serving, and is active still."""
        switch, self._switch = self._switch, None
        if switch is not None and hasattr(switch.swap, "close"):
            switch.swap.close()


def in_progress(version: str) -> ProtocolError:
    """The refusal of a second swap."""
    return ProtocolError(
        "swap_in_progress",
        f"version: expected no other to be loaded, got {version!r} on its way in",
        {"field": "version", "expected": "no other to be loaded", "got": version},
    )


def refusal(error: StoreError | OSError) -> ProtocolError:
    """What a caller is told of a swap that failed; the disk's refusals too have a code of the closed set."""
    if not isinstance(error, StoreError):
        error = StoreUnavailable("models", "a store that can be read and written", error.strerror or error)
    return ProtocolError(error.code, str(error), error.details)
