"""The locks: complete, consistent with each other, and free of addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import locks

LOCKS = Path(__file__).resolve().parents[2] / "locks"
NAMES = ["base", "train", "dev", "build", "graph", "graph-cpu", "graph-cuda"]


def requirements(name: str) -> set[str]:
    """The requirements of a lock, with their markers, without their hashes."""
    return {entry.split(" \\", 1)[0] for entry in locks.entries((LOCKS / f"{name}.lock").read_text())}


@pytest.mark.parametrize("name", NAMES)
def test_every_requirement_has_an_exact_version_and_a_hash(name: str) -> None:
    for entry in locks.entries((LOCKS / f"{name}.lock").read_text()):
        assert re.match(r"[a-z0-9-]+==\S+( ;.*)? \\\n", entry)
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry)


@pytest.mark.parametrize("name", NAMES)
def test_no_lock_holds_an_address(name: str) -> None:
    assert "://" not in (LOCKS / f"{name}.lock").read_text()


@pytest.mark.parametrize(("narrow", "wide"), [("base", "train"), ("train", "dev")])
def test_each_lock_holds_what_the_narrower_one_does(narrow: str, wide: str) -> None:
    assert requirements(narrow) <= requirements(wide)


def test_the_build_tools_have_the_versions_that_are_installed_later() -> None:
    installed = requirements("dev")
    names = {locks.name_of(requirement) for requirement in installed}
    assert {each for each in requirements("build") if locks.name_of(each) in names} <= installed


def test_both_torches_are_of_one_version() -> None:
    [common] = [each for each in requirements("graph") if each.startswith("torch==")]
    [cpu] = requirements("graph-cpu")
    assert cpu.startswith(f"{common}+cpu ;")


def test_the_extra_graph_is_split_into_its_own_packages_and_cuda() -> None:
    resolved = "".join(f"{name}==1 \\\n    --hash=sha256:00\n" for name in ["numpy", "nvidia-x", "torch", "triton"])
    plain, cuda = locks.split_graph(resolved, "numpy==1 \\\n    --hash=sha256:00\n")
    assert plain == "torch==1 \\\n    --hash=sha256:00\n"
    assert [locks.name_of(entry) for entry in locks.entries(cuda)] == ["nvidia-x", "triton"]


def test_what_is_installed_on_some_pythons_alone_is_not_taken_for_present() -> None:
    resolved = "".join(f"{name}==1 \\\n    --hash=sha256:00\n" for name in ["sympy", "torch"])
    plain, _cuda = locks.split_graph(resolved, "sympy==1 ; python_full_version < '3.11' \\\n    --hash=sha256:00\n")
    assert [locks.name_of(entry) for entry in locks.entries(plain)] == ["sympy", "torch"]
