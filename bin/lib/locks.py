"""Remake `locks/`: which version of which file, by its hash, each set-up installs. Versions stay unless asked to move.

The locks hold for every system and Python that the project supports at once (uv's universal resolution), and no
address: the files come from whatever index pip is configured with.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "locks"
UV_COMPILE = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10", "--generate-hashes"]
UV_COMPILE += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]

# Each lock's requirements in pyproject.toml. The first is the widest, and the others take their versions from it.
REQUIREMENTS = {
    "dev": ["pyproject.toml", "--extra", "train", "--group", "dev"],
    "train": ["pyproject.toml", "--extra", "train"],
    "base": ["pyproject.toml"],
    "build": ["--group", "build"],
}
GRAPH_REQUIREMENTS = ["pyproject.toml", "--extra", "graph"]
CUDA_NAME = re.compile(r"(nvidia|cuda|triton)\b")


def entries(lock: str) -> list[str]:
    """The requirements of a lock's text, each with its hash lines."""
    return [block for block in re.split(r"(?m)^(?=\S)", lock) if block.strip()]


def name_of(entry: str) -> str:
    """The distribution's name at the head of a requirement."""
    return entry.split("==", 1)[0]


def requirement_of(entry: str) -> str:
    """The version and the marker at the head of a requirement: what one lock installs on some Pythons alone is not
    there on the others."""
    return entry.splitlines()[0].rstrip(" \\")


def split_graph(resolved: str, dev: str) -> tuple[str, str]:
    """(graph.lock, graph-cuda.lock) of a resolution of the extra `graph`, without what `dev` installs already.

    The CUDA packages are kept apart, because a torch for the CPU alone (graph-cpu.lock, written by hand) needs none.
    """
    present = {requirement_of(entry) for entry in entries(dev)}
    own = [entry for entry in entries(resolved) if requirement_of(entry) not in present]
    plain = [entry for entry in own if not CUDA_NAME.match(name_of(entry))]
    cuda = [entry for entry in own if CUDA_NAME.match(name_of(entry))]
    return "".join(plain), "".join(cuda)


def compile_lock(requirements: list[str], output: Path, options: list[str]) -> None:
    """Resolve some requirements into a lock, keeping the versions that it already holds."""
    sys.stderr.write(f"{output.relative_to(ROOT)}\n")
    subprocess.run([*UV_COMPILE, *requirements, *options, "--output-file", str(output)], cwd=ROOT, check=True)


def remake(options: list[str]) -> None:
    """Write every lock."""
    widest, *others = REQUIREMENTS
    constraint = ["--constraint", f"locks/{widest}.lock"]
    compile_lock(REQUIREMENTS[widest], LOCKS / f"{widest}.lock", options)
    for name in others:
        compile_lock(REQUIREMENTS[name], LOCKS / f"{name}.lock", [*options, *constraint])
    graph, cuda = LOCKS / "graph.lock", LOCKS / "graph-cuda.lock"
    if cuda.exists():  # together they are the versions to keep
        graph.write_text(graph.read_text() + cuda.read_text())
    compile_lock(GRAPH_REQUIREMENTS, graph, [*options, *constraint])
    plain_text, cuda_text = split_graph(graph.read_text(), (LOCKS / "dev.lock").read_text())
    graph.write_text(plain_text)
    cuda.write_text(cuda_text)


def main() -> int:
    """Entry point of bin/lock."""
    parser = argparse.ArgumentParser(prog="bin/lock", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="move every version to the newest that pyproject allows")
    parser.add_argument("--upgrade-package", metavar="NAME", action="append", default=[], help="move this one")
    args = parser.parse_args()
    if shutil.which("uv") is None:
        sys.stderr.write(
            "bin/lock: resolving for every system at once needs the program `uv` on the PATH (pip install uv)\n"
        )
        return 1
    options = ["--upgrade"] if args.upgrade else []
    options += [f"--upgrade-package={name}" for name in args.upgrade_package]
    try:
        remake(options)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"bin/lock: uv could not resolve: {' '.join(error.cmd)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
