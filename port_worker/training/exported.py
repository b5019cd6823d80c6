"""What a training leaves behind: files for a version's folder, and facts for its manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from port_worker.store.manifest import Json


class Part(Protocol):
    """Some of the files of a version."""

    def write(self, folder: Path) -> None:
        """Check them, then write them. Raises ModelRefused, OSError."""
        ...


@dataclass(frozen=True, eq=False)
class Exported:
    """A model of one kind as files and facts."""

    kind: str
    parts: tuple[Part, ...]
    facts: dict[str, Json] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Every part."""
        for part in self.parts:
            part.write(folder)
