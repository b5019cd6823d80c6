"""A bounded run of the coverage-guided fuzzer; its long run is `python -m tests.fuzz.coverage`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from protocol.atoms import CLOSED_SET
from tests.fuzz.coverage import write_corpus, write_dictionary
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
RUNS, SEED = 10_000, 5


def test_no_input_of_a_bounded_run_is_a_finding(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.coverage", "--runs", f"{RUNS}", "--seed", f"{SEED}"]
    ran = subprocess.run(
        [*command, "--corpus", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-5_000:]
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["status"], figures["found"]) == (0, [])
    assert figures["corpus"] > figures["seeds"], "nothing new was reached: is anything instrumented?"
    (executed,) = re.findall(r"stat::number_of_executed_units: (\d+)", ran.stderr)
    assert int(executed) >= RUNS
    assert max(int(branches) for branches in re.findall(r" cov: (\d+) ", ran.stderr)) > 300


def test_the_corpus_has_the_seeds_of_every_target(tmp_path: Path) -> None:
    count = write_corpus(tmp_path)
    written = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(written) == count
    for number, target in enumerate(TARGETS.values()):
        assert {data[1:] for data in written if data[0] == number} == set(target.seeds)


def test_the_dictionary_has_every_atom(tmp_path: Path) -> None:
    write_dictionary(tmp_path / "words")
    lines = (tmp_path / "words").read_text("ascii").splitlines()
    words = {bytes.fromhex(line.strip('"').replace("\\x", "")) for line in lines}
    assert {word[2:].decode() for word in words if word[0] == 119} == CLOSED_SET
    assert {word[3:].decode() for word in words if word[0] == 0xC7} == CLOSED_SET
