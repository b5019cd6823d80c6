"""A copy of the launcher in a project of its own, with an interpreter that only pretends: no network, no libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Stands for every Python that the launcher meets: on PATH, and in `.venv`. It notes what is asked of it in $NOTES.
# How pip ends is read from $PIP: fail, die, wait (until the file $GATE is there), or well;
# and only for the lock $FAILING, if that is named.
PRETENDER = """#!/bin/sh
case "$*" in
"-E -c "*) exit 0 ;;
*environment.py*)
    exec "$REAL_PYTHON" -c 'import runpy, sys
sys.executable = sys.argv.pop(1)
sys.argv = sys.argv[2:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")' "$0" "$@" ;;
"-m venv "*)
    echo venv >>"$NOTES"
    mkdir -p "$3/bin" "$3/site" && cp "$0" "$3/bin/python" ;;
"-Ic "*sysconfig*) echo "${0%/bin/python}/site" ;;
"-Ic "*requires*) echo "${CUDA:-False}" ;;
"-Ic "*) exit 0 ;;
*" pip install "*)
    for lock; do :; done
    echo "pip ${lock##*/}" >>"$NOTES"
    echo "Collecting something==1.0"
    case "${lock##*/}" in *"${FAILING:-}") ;; *) exit 0 ;; esac
    case ${PIP:-well} in
    fail) echo "ERROR: no such file in the index"; exit 1 ;;
    die) kill -9 $$ ;;
    wait) while [ ! -e "$GATE" ]; do sleep 0.02; done ;;
    esac ;;
*) echo "ran $*"; cat ;;
esac
"""


def write_program(path: Path, text: str) -> Path:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@dataclass
class Project:
    """A project's folder (with a space in its name), and the environment variables that its programs run with."""

    root: Path
    env: dict[str, str]

    @classmethod
    def create(cls, folder: Path) -> Project:
        """Lay one out below `folder`."""
        root = folder / "a project"
        shutil.copytree(ROOT / "bin", root / "bin", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "locks").mkdir()
        for name in ("build", "train", "dev", "graph-cpu", "graph", "graph-cuda"):
            (root / "locks" / f"{name}.lock").write_text("something==1.0 \\\n    --hash=sha256:00\n")
        write_program(folder / "pretend" / "python3.11", PRETENDER)
        env = {name: value for name, value in os.environ.items() if name not in {"CI", "PORT_WORKER_PYTHON"}}
        env["PATH"] = f"{folder / 'pretend'}:{env['PATH']}"
        env |= {"REAL_PYTHON": sys.executable, "NOTES": str(folder / "notes"), "GATE": str(folder / "gate")}
        return cls(root, env)

    @property
    def notes(self) -> list[str]:
        """What was asked of the interpreters so far: `venv`, and `pip` with the name of a lock."""
        notes = Path(self.env["NOTES"])
        return notes.read_text().splitlines() if notes.exists() else []

    def program(self, name: str) -> Path:
        """The path of a program."""
        return self.root / "bin" / name

    def run(
        self,
        program: str | Path,
        *arguments: str,
        stdin: str = "",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the programs to its end."""
        command = [str(program if isinstance(program, Path) else self.program(program)), *arguments]
        return subprocess.run(
            command,
            input=stdin,
            cwd=cwd,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, program: str, **env: str) -> subprocess.Popen[str]:
        """Start one of the programs, its standard error to be read as it comes."""
        return subprocess.Popen(
            [self.program(program)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.env, **env},
            text=True,
        )
