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


LOADING = """
import psutil
from port_worker.allocator import give_back_unused, keep_large_blocks

def resident():
    return psutil.Process().memory_info().rss

keep_large_blocks()
pairs = [(bytes(b"x" * 1_000_000), bytes(b"x" * 5_000)) for _ in range(65)]
between = [small for _, small in pairs]  # so that none can be given back unasked
del pairs
kept = resident()
give_back_unused()
print(kept - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other C libraries take no notice")
def test_what_loading_took_is_given_back_afterwards() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 50_000_000
