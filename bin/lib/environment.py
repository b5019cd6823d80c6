"""Make `.venv` from the locks: what the programs in bin/ run when it is missing or its lock has changed.

Usage: environment.py PROFILE. Standard library only; the Python that runs it becomes the environment's. It speaks on
standard error. Killed at any moment, the next run starts again; run twice at once, the second waits for the first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pip_progress import Progress, count_requirements

Command = list[str | Path]

ROOT = Path(__file__).resolve().parents[2]
CHECK = "import sys, pip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))"
SITE_PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
WANTS_CUDA = """
import re
from importlib.metadata import requires
print(any(re.match("nvidia|cuda|triton", each) and "extra ==" not in each for each in requires("torch") or []))
"""


@dataclass(frozen=True)
class Install:
    """One run of pip: the name of a lock, what it holds, the options that it needs, whether we can do without."""

    lock: str
    holds: str
    options: tuple[str, ...] = ()
    optional: bool = False


# Sources are compiled with the build tools of our own lock: in isolation, pip would fetch some without a hash.
BUILD = Install("build", "build tools")
TRAIN = Install("train", "libraries", ("--no-build-isolation",))
DEV = Install("dev", "libraries and development tools", ("--no-build-isolation",))
# A torch for the CPU alone, where an index offers it, spares the CUDA packages that the registry's requires on Linux.
# It is asked for by its own version: pip prefers a file whose hash its index states, which a folder of wheels cannot.
CPU = Install("graph-cpu", "torch for the CPU alone", ("--no-deps",), optional=True)
GRAPH = Install("graph", "torch and what it needs", ("--no-deps",))
CUDA = Install("graph-cuda", "CUDA packages, which this torch requires", ("--no-deps",))

PROFILES = {"train": [BUILD, TRAIN], "dev": [BUILD, DEV], "graph": [BUILD, DEV, CPU, GRAPH]}
INCLUDED = {"train": ["train"], "dev": ["train", "dev"], "graph": ["train", "dev", "graph"]}


class SetupError(Exception):
    """The set-up cannot go on; the message is for the user."""


class Environment:
    """The project's virtual environment, and the folder `.setup` beside it with the file lock and the log."""

    def __init__(self, root: Path, out: TextIO) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self._out = out
        self._stamps = self.folder / "stamps"
        self._unfinished = self.folder / "unfinished"
        self._log = root / ".setup" / "setup.log"
        self._held = -1  # the descriptor of the file lock

    def lock(self, name: str) -> Path:
        """The lock with this name."""
        return self.root / "locks" / f"{name}.lock"

    def is_ready(self, profile: str) -> bool:
        """Whether it was last made from the profile's locks as they are now."""
        pairs = [(self._stamps / f"{name}.lock", self.lock(name)) for name in INCLUDED[profile]]
        fresh = all(stamp.exists() and stamp.read_bytes() == lock.read_bytes() for stamp, lock in pairs)
        return self.python.exists() and fresh

    def make(self, profile: str) -> None:
        """Bring it to what the profile's lock says; raises SetupError."""
        with self._alone():
            if self.is_ready(profile):
                return
            stamps = {name: self.lock(name).read_bytes() for name in INCLUDED[profile]}
            steps = PROFILES[profile]
            self._say(f"Setting up {self.folder}: once, some minutes. The log is {self._log}")
            with Progress(self._out, f"[1/{len(steps) + 1}] Python {sys.version.split()[0]}"):
                self._ensure_venv()
            shutil.rmtree(self._stamps, ignore_errors=True)
            for number, step in enumerate(steps, 2):
                self._install(step, f"[{number}/{len(steps) + 1}] {step.holds}")
            if profile == "graph" and self._ask(WANTS_CUDA) == "True":
                self._install(CUDA, f"      {CUDA.holds}")
            self._make_importable()
            self._stamp(stamps)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file lock. Children inherit it: a pip that outlives us is waited for as well."""
        self._log.parent.mkdir(exist_ok=True)
        with (self._log.parent / "lock").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("Another set-up of this folder is running: waiting for it to end")
                fcntl.flock(held, fcntl.LOCK_EX)
            self._held = held.fileno()
            yield

    def _ensure_venv(self) -> None:
        """Keep a virtual environment that works; replace one that does not, or that was left half-changed."""
        self._log.write_text("")
        check: Command = [self.python, "-Ic", CHECK]
        if self.python.exists() and not self._unfinished.exists() and self._run(check, None) == 0:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        with self._changing():
            self._must([sys.executable, "-m", "venv", self.folder], None)

    def _install(self, step: Install, label: str) -> None:
        lock = self.lock(step.lock)
        command: Command = [self.python, "-I", "-u", "-m", "pip", "install", "--progress-bar=off", "--require-hashes"]
        with self._changing(), Progress(self._out, label, count_requirements(lock.read_text())) as progress:
            try:
                self._must([*command, *step.options, "-r", lock], progress)
            except SetupError:
                if not step.optional:
                    raise
                progress.outcome = "not offered here, going on"

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Mark the environment as unfinished, unless the work ends by itself. (pip undoes what it cannot complete.)"""
        self._unfinished.touch()
        try:
            yield
        except SetupError:
            self._unfinished.unlink()
            raise
        self._unfinished.unlink()

    def _must(self, command: Command, progress: Progress | None) -> None:
        status = self._run(command, progress)
        if status < 0:
            raise KeyboardInterrupt  # killed by a signal: as good as ours
        if status > 0:
            raise SetupError(self._failure(command, status))

    def _run(self, command: Command, progress: Progress | None) -> int:
        """Run a command to its end, its output in the log; its exit status, or a signal's number, negative."""
        # Nothing of the user's Python settings, and no way to ask the user a question.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        env |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        with (
            self._log.open("a") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                pass_fds=[self._held],
                text=True,
                errors="replace",
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                log.flush()
                if progress is not None:
                    progress.feed(line)
        return process.returncode

    def _failure(self, command: Command, status: int) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        reasons = [line for line in lines if line.lower().startswith("error:")] or lines
        said = "\n".join(f"  {line}" for line in reasons[-3:])
        return (
            f"This command failed with exit status {status}:\n  {' '.join(map(str, command))}\n"
            f"Its last words:\n{said}\n"
            f"All of them: {self._log}\nIs the package index within reach? Run the same program again to go on."
        )

    def _ask(self, code: str) -> str:
        """What the environment's Python prints for some code."""
        return subprocess.run([self.python, "-Ic", code], check=True, capture_output=True, text=True).stdout.strip()

    def _make_importable(self) -> None:
        """Put the project on the environment's path, relative to it, so that both can move together."""
        site_packages = Path(self._ask(SITE_PACKAGES))
        (site_packages / "port_worker.pth").write_text(f"{os.path.relpath(self.root, site_packages)}\n")

    def _stamp(self, stamps: dict[str, bytes]) -> None:
        self._stamps.mkdir(exist_ok=True)
        for name, lock in stamps.items():
            written = self._stamps / f"{name}.new"
            written.write_bytes(lock)
            written.replace(self._stamps / f"{name}.lock")

    def _say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()


def main() -> int:
    """Entry point of the launcher."""
    if len(sys.argv) != 2 or sys.argv[1] not in PROFILES:
        sys.stderr.write(f"usage: environment.py {'|'.join(PROFILES)}\n")
        return 2
    try:
        Environment(ROOT, sys.stderr).make(sys.argv[1])
    except (SetupError, OSError) as error:
        sys.stderr.write(f"The set-up failed. {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("The set-up was interrupted. The next run starts it again.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
