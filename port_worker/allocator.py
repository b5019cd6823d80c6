"""What the C library's allocator should keep for the next large reply, and what it should give back."""

from __future__ import annotations

import ctypes

from protocol.limits import MAX_FRAME_BYTES


def keep_large_blocks() -> None:
    """Have glibc keep the memory of freed large blocks, up to twice the largest frame, instead of giving it back.

    It gives back what is above a threshold, and then every reply of some hundred kilobytes pays for a page fault each
    4 KiB: 0.8 ms instead of 0.1 ms for 1,000 lists of 10 UUIDs. The threshold follows the largest block that was freed
    (mallopt(3), M_MMAP_THRESHOLD), so one that is never touched costs nothing. Other allocators take no notice.
    """
    bytes(MAX_FRAME_BYTES)


def give_back_unused() -> None:
    """Have glibc give back what is free now (malloc_trim(3)): loading a model takes much that is never needed again.

    Other C libraries take no notice. For a moment when nobody waits; it takes some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
