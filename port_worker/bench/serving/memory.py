"""What processes hold in memory, and how much of it is a model's files, which all workers of a machine share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Held:
    """Bytes of some processes: resident, and proportional (what n processes share counts as an n-th of it in each).

    files_resident, files_proportional: as much of it as are the files of one folder, mapped.
    """

    resident: int
    proportional: int
    files_resident: int
    files_proportional: int

    @property
    def own_resident(self) -> int:
        """Resident but for the files."""
        return self.resident - self.files_resident

    @property
    def own_proportional(self) -> int:
        """Proportional but for the files."""
        return self.proportional - self.files_proportional


def held(pids: Sequence[int], folder: Path) -> Held | None:
    """Of those processes together; None where the system does not tell (elsewhere than on Linux)."""
    if not hasattr(psutil.Process, "memory_maps") or not psutil.LINUX:
        return None
    maps = [one for pid in pids for one in psutil.Process(pid).memory_maps(grouped=False)]
    files = [one for one in maps if Path(one.path).parent == folder.resolve()]
    return Held(
        sum(one.rss for one in maps),
        sum(one.pss for one in maps),
        sum(one.rss for one in files),
        sum(one.pss for one in files),
    )


def resident(pid: int) -> int:
    """Bytes that a process has in memory now."""
    return int(psutil.Process(pid).memory_info().rss)


def peak(pid: int) -> int | None:
    """The most that it ever had; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    sizes = (int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return next((size * 1024 for size in sizes), None)
