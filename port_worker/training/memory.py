"""How much memory a trainer may take, and how much it takes. Standard library only: the worker imports it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

SHARE = "75%"
"""Of what there is. The rest is for whoever answers calls: where a container's memory runs out, all of it may be
killed, the worker too."""

_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_FORM = re.compile(r"([0-9]{1,15}) ?(KiB|MiB|GiB|TiB|%|)")
_LEAST = 64 << 20
_EXPECTED = "bytes as in 4294967296 or 4GiB, at least 64MiB, a share as in 75%, or none"

_RESERVED = 1 << 30
_RESERVED_A_CORE = 64 << 20
"""Bytes that TensorFlow asks for and does not use, stacks of its threads above all: 0.8 GB with two cores."""

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def parse_limit(name: str, text: str, available: int | None = None) -> int | None:
    """Bytes; None for `none`, and for a share where nobody can say how much there is. Raises ValueError.

    Args:
        name: of the setting, for the error.
        text: as `_EXPECTED` says.
        available: what a share is of; None asks the system.
    """
    if text == "none":
        return None
    form = _FORM.fullmatch(text)
    amount, unit = (int(form[1]), form[2]) if form else (0, "")
    if unit == "%" and 0 < amount <= 100:
        of = available_bytes() if available is None else available
        return None if of is None else of * amount // 100
    if unit == "%" or amount * _UNITS[unit] < _LEAST:
        raise ValueError(f"{name}: expected {_EXPECTED}, got {text[:80]!r}")
    return amount * _UNITS[unit]


def available_bytes(cgroup: Path = _CGROUP) -> int | None:
    """The machine's memory, or less where the control group of this process (a container's) is allowed less."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    allowed = [_number(cgroup / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    return min([machine, *(limit for limit in allowed if limit is not None)])


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": as much as there is


def refuse_beyond(limit: int) -> None:
    """Let this process ask for no more than `limit` bytes, and for what TensorFlow reserves besides.

    What is far too large then fails at once, with a MemoryError, before the worker has looked. Raises nothing: where
    the system has no such limit, the worker's look remains.
    """
    if sys.platform == "win32":
        return
    import resource

    most = limit + _RESERVED + _RESERVED_A_CORE * (os.cpu_count() or 1)
    with contextlib.suppress(OSError, ValueError):
        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def offer_to_the_kernel() -> None:
    """Where the machine's memory runs out, have the kernel end this process, and not the one that answers calls."""
    with contextlib.suppress(OSError):
        (_PROC / "self" / "oom_score_adj").write_text("1000")


def peak_bytes() -> int:
    """The most that this process has had resident; 0 where the system does not say."""
    try:
        status = (_PROC / "self" / "status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+([0-9]+) kB", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def resident_bytes(pid: int) -> int:
    """What a process and those that it has started have resident; 0 for one that is gone, and without /proc."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        started = [
            int(child)
            for task in (_PROC / str(pid) / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(child) for child in started)
