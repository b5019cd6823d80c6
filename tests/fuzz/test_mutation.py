"""A bounded run of the mutation fuzzer; its long run is `python -m tests.fuzz.mutation`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import ProtocolError
from protocol.limits import MAX_FRAME_BYTES
from tests.fuzz.mutants import Mutants
from tests.fuzz.mutation import Figures, Mutant, mutants, report, try_mutant
from tests.fuzz.targets import TARGETS, Target, try_target

ROOT = Path(__file__).parents[2]
SEED, SMALL, LARGE = 11, 3_000, 12


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused_by_the_one_error(name: str) -> None:
    source = mutants(TARGETS[name], SEED)
    outcomes = {try_target(TARGETS[name], source.mutant(number, large=False)) for number in range(SMALL)}
    assert {"read", "frame_too_large" if name == "stream" else "malformed_term"} <= outcomes


@pytest.mark.parametrize("name", TARGETS)
def test_large_mutants_stay_within_their_memory(name: str) -> None:
    source, figures = mutants(TARGETS[name], SEED), Figures()
    for number in range(LARGE):
        try_mutant(Mutant(TARGETS[name], number, source.mutant(number, large=True)), figures, traced=True)
    # How long they took depends on the machine, and is for the long run to say.
    assert [found for found in figures.found if not found.startswith("slow")] == []
    assert figures.largest_bytes > 2**20
    assert figures.traced == LARGE


@pytest.mark.parametrize("name", TARGETS)
def test_a_mutant_follows_from_its_seed_and_number(name: str) -> None:
    one, other = mutants(TARGETS[name], SEED), mutants(TARGETS[name], SEED)
    numbers = range(200)
    made = [one.mutant(number, large=False) for number in numbers]
    assert [other.mutant(number, large=False) for number in reversed(numbers)] == made[::-1]
    assert [mutants(TARGETS[name], SEED + 1).mutant(number, large=False) for number in numbers] != made
    assert len(set(made)) > len(made) * 3 // 4


def test_a_large_mutant_is_no_longer_than_a_frame() -> None:
    source = Mutants(SEED, "any", "etf", [b"\x83\x6a"])
    assert all(len(source.mutant(number, large=True)) <= MAX_FRAME_BYTES for number in range(20))


def refusing(error: Exception) -> Target:
    def read(_data: bytes) -> object:
        raise error

    return Target("a bad one", "etf", read, (b"\x83\x6a",))


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (RecursionError("too deep"), "RecursionError: too deep"),
        (ProtocolError("internal", "a defect"), "AssertionError: a defect"),
        (ProtocolError("malformed_term", "x" * 20_000), "AssertionError: malformed_term: an answer that is too long"),
        (ProtocolError("malformed_term", "details", {"got": object()}), "ProtocolError: term: expected one that"),
    ],
)
def test_what_is_no_fit_refusal_is_found_with_how_to_make_it_again(error: Exception, found: str) -> None:
    figures = Figures()
    try_mutant(Mutant(refusing(error), 5, b"\x83"), figures, traced=False)
    (line,) = figures.found
    assert line.startswith(found)
    assert line.endswith("--target 'a bad one' --only 5 (1 bytes)")
    assert f"FOUND {line}" in report(figures)


def test_memory_that_a_target_takes_is_found() -> None:
    figures = Figures()
    target = Target("a glutton", "etf", lambda data: len(bytes(80 * 2**20)), (b"\x83\x6a",))
    try_mutant(Mutant(target, 6, b"\x83"), figures, traced=True)
    assert [line.split(":")[0] for line in figures.found if not line.startswith("slow")] == ["memory"]
    assert figures.max_memory_bytes > 64 * 2**20


def test_the_program_makes_one_mutant_again() -> None:
    command = [sys.executable, "-m", "tests.fuzz.mutation", "--target", "etf term", "--seed", str(SEED), "--only", "7"]
    ran = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert (figures["mutants"], figures["found"]) == (1, [])
    assert mutants(TARGETS["etf term"], SEED).mutant(7)[:2_000].hex() in ran.stderr


def test_the_program_runs_until_its_time_is_over() -> None:
    command = [sys.executable, "-m", "tests.fuzz.mutation", "--seconds", "0", "--target", "stream", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(ran.stdout)["mutants"] == 1
