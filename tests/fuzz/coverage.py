"""A coverage-guided fuzzer: atheris over what tests/fuzz/targets.py names, from the golden vectors on.

    python -m tests.fuzz.coverage --seconds 1800 --seed 7 [--runs N] [--corpus FOLDER]

ends with libFuzzer's figures and one line of JSON; status 0 says that nothing was found. What it finds lies in the
folder of the corpus, as `crash-*`, `timeout-*` or `oom-*`, its first byte the number of the target:

    python -m tests.fuzz.coverage --corpus FOLDER --again FOLDER/crash-...

atheris has wheels for Linux on x86-64 with Python 3.11 to 3.13 only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_LEN = 64 * 1024
TIMEOUT_S = 5
"""libFuzzer counts whole seconds; the mutation fuzzer looks for what takes over 100 ms."""

_RSS_LIMIT_MB = 1024
_IN_THIS_PROCESS = "--in-this-process"


def write_corpus(folder: Path) -> int:
    """Write each target's seeds into the folder, and return how many there are. The first byte is the target."""
    from tests.fuzz.targets import TARGETS

    seeds = {bytes((number,)) + seed for number, target in enumerate(TARGETS.values()) for seed in target.seeds}
    for seed in seeds:
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return len(seeds)


def write_dictionary(path: Path) -> None:
    """The atoms of the protocol, each behind the tags that it may have: what chance alone would not spell."""
    from protocol.atoms import CLOSED_SET

    words = [bytes((119, len(name))) + name.encode() for name in sorted(CLOSED_SET)]
    words += [b"\xc7" + bytes((len(name), 0)) + name.encode() for name in sorted(CLOSED_SET)]
    path.write_text("".join(f'"{_escaped(word)}"\n' for word in words), encoding="ascii")


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def fuzz(libfuzzer: list[str]) -> None:
    """Run libFuzzer in this process, with every branch of `protocol` instrumented. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["protocol"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS, try_target
    targets = list(TARGETS.values())

    def one_input(data: bytes) -> None:
        if data:
            try_target(targets[data[0] % len(targets)], data[1:])

    atheris.Setup([sys.argv[0], *libfuzzer], one_input, internal_libfuzzer=True)
    atheris.Fuzz()


def run(args: argparse.Namespace, folder: Path) -> int:
    """Run the fuzzer as a process of its own, since libFuzzer ends the one that it runs in."""
    dictionary = folder / "atoms.dict"
    found, corpus = folder / "found", folder / "corpus"
    for sub in (found, corpus):
        sub.mkdir(parents=True, exist_ok=True)
    seeds = write_corpus(corpus)
    write_dictionary(dictionary)
    libfuzzer = [
        *(f"-seed={args.seed}", f"-runs={args.runs}", f"-max_total_time={args.seconds}", f"-max_len={MAX_LEN}"),
        *(f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={_RSS_LIMIT_MB}", f"-dict={dictionary}", "-print_final_stats=1"),
        *(f"-artifact_prefix={found}/", str(args.again or corpus)),
    ]
    command = [sys.executable, "-m", "tests.fuzz.coverage", _IN_THIS_PROCESS, *libfuzzer]
    status = subprocess.run(command, check=False).returncode
    figures = {"status": status, "seeds": seeds, "corpus": _count(corpus), "found": _names(found)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return status


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _names(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.iterdir())


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.coverage", description="Fuzz protocol/ with atheris.")
    parser.add_argument("--seconds", type=int, default=0, help="how long at most (default: until --runs are done)")
    parser.add_argument("--runs", type=int, default=-1, help="how many inputs at most")
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer's chance (default: 1)")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept from run to run (default: nowhere)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="try this input alone")
    args = parser.parse_args(arguments)
    if args.seconds <= 0 and args.runs < 0 and args.again is None:
        parser.error("expected --seconds, --runs or --again")
    return args


def main(arguments: list[str]) -> int:
    """Entry point."""
    if arguments[:1] == [_IN_THIS_PROCESS]:
        fuzz(arguments[1:])
    args = parse(arguments)
    if args.corpus is not None:
        return run(args, args.corpus)
    with tempfile.TemporaryDirectory() as folder:
        return run(args, Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
