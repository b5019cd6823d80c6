"""What a trainer may take: as it is written, and as the system has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from port_worker.training import memory

NAME = "PORT_WORKER_TRAINER_MEMORY"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("4GiB", 4 << 30),
        ("4 GiB", 4 << 30),
        ("512MiB", 512 << 20),
        ("100000000", 100_000_000),
        ("75%", 750),
        ("100%", 1000),
    ],
)
def test_a_limit_is_bytes_or_a_share(text: str, expected: int | None) -> None:
    assert memory.parse_limit(NAME, text, available=1000) == expected


@pytest.mark.parametrize("text", ["", "4GB", "-1", "0%", "101%", "1.5GiB", "1MiB", "much", "9" * 40])
def test_what_is_no_limit_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"{NAME}: expected bytes as in .*, got '{text[:80]}'"):
        memory.parse_limit(NAME, text, available=1 << 40)


@pytest.mark.parametrize(("name", "text"), [("memory.max", "4096"), ("memory/memory.limit_in_bytes", "4096\n")])
def test_a_container_has_less_than_its_machine(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert memory.available_bytes(tmp_path) == 4096


def test_without_a_limit_of_its_own_it_has_the_machine_s(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_what_is_resident_is_read_of_a_process_that_is_there() -> None:
    assert memory.resident_bytes(os.getpid()) > 1 << 20
    assert memory.peak_bytes() > 1 << 20
    assert memory.resident_bytes(2**22 + 1) == 0
