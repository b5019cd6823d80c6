"""The wheel that the project builds: both packages, what lies beside their code, and the console script."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the build tool of the development lock: no network, no isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize(
    "name",
    [
        "port_worker/__main__.py",
        "port_worker/bench/codec/port.escript",
        "port_worker/cli.py",
        "port_worker/py.typed",
        "protocol/SPEC.md",
        "protocol/framing.py",
        "protocol/py.typed",
    ],
)
def test_the_wheel_holds(wheel: Path, name: str) -> None:
    assert name in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_nothing_but_the_two_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"port_worker", "protocol"}


def test_the_installed_console_script_answers_without_any_library(wheel: Path, tmp_path: Path) -> None:
    install = ["install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    # -S: no site-packages, hence neither numpy nor the project's own folder; only what the wheel brought.
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "bin" / "port-worker", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for program in ("worker", "repl", "bench", "inspect", "conformance", "algorithms", "models", "sources", "fixture"):
        assert program in done.stdout
