"""That the allocator keeps what it was told to keep."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from port_worker.allocator import keep_large_blocks

def faults_of(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        first = bytes(b"x" * 500_000)
        second = b"".join([b"y", first, b"z"])
        del first, second
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_large_blocks()
faults_of(2)
print(faults_of(100))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other allocators have no such threshold")
def test_a_large_reply_after_another_costs_no_page_faults() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    pages = 100 * 2 * 500_000 // resource.getpagesize()
    assert int(ran.stdout) < pages // 20
