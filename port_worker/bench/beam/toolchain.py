"""Elixir and the client's compiled modules, or why there are none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from port_worker.host import HostError

CLIENT = Path(__file__).resolve().parents[3] / "elixir_example" / "client"
SCRIPT = CLIENT / "bench" / "load.exs"

_COMPILE_LIMIT_S = 300.0


class BeamError(HostError):
    """The BEAM could not be had, or did not do its run; the message says why."""


def unavailable(client: Path = CLIENT) -> str | None:
    """Why there can be no load from a BEAM on this machine; None where there can."""
    lacking = [program for program in ("elixir", "elixirc") if shutil.which(program) is None]
    if lacking:
        return f"Elixir is not installed: there is no `{lacking[0]}` on the PATH (Debian has it: apt install elixir)"
    if not (client / "bench" / "load.exs").is_file():
        return f"the Elixir client is not at {client}: it is in the repository, not in the installed package"
    return None


def environment() -> dict[str, str]:
    """Ours, in a locale in which the BEAM takes file names and output for UTF-8."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def compiled(folder: Path, client: Path = CLIENT) -> Path:
    """The folder with the client's modules, compiled below `folder` unless it has them already. Raises BeamError.

    It is named after what it is made from, so a client that has changed is compiled anew.
    """
    sources = sorted([*(client / "lib").rglob("*.ex"), *(client / "bench").rglob("*.ex")])
    ebin = folder / f"elixir-{_digest(sources)}"
    if not ebin.is_dir():
        _compile(sources, ebin)
    return ebin


def _digest(sources: list[Path]) -> str:
    digest = hashlib.sha256(_elixir_version().encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _elixir_version() -> str:
    return _run(["elixir", "--short-version"])


def _compile(sources: list[Path], ebin: Path) -> None:
    """Into a folder of its own first: two that compile at once do not see each other's half."""
    ebin.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{ebin.name}.", dir=ebin.parent))
    try:
        _run(["elixirc", "-o", str(fresh), *map(str, sources)])
        if not ebin.is_dir():
            fresh.rename(ebin)
    except OSError:
        if not ebin.is_dir():  # another was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run(command: list[str]) -> str:
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=_COMPILE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BeamError(f"{command[0]}: {error}") from None
    if ran.returncode:
        raise BeamError(f"{command[0]} ended with status {ran.returncode}: {(ran.stdout + ran.stderr).strip()[-500:]}")
    return ran.stdout.strip()
