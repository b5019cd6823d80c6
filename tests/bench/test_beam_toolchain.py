"""Where there is no Elixir, or no client."""

from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.bench.beam.plan import Plan, Worker
from port_worker.bench.beam.run import measure
from port_worker.bench.beam.summing import Window
from port_worker.bench.beam.toolchain import CLIENT, BeamError, unavailable


def on_path(folder: Path, *programs: str) -> str:
    for program in programs:
        (folder / program).touch(mode=0o755)
    return str(folder)


def test_a_machine_without_elixir_is_told_what_is_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", on_path(tmp_path, "elixir"))
    assert "no `elixirc` on the PATH" in str(unavailable())


def test_no_run_is_begun_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BeamError, match="no `elixir` on the PATH"):
        measure(Plan([Worker(["worker"])], [("ping", {})]), ["ping"], [Window("measured", 0, 1)], tmp_path)


def test_an_installed_package_has_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", on_path(tmp_path, "elixir", "elixirc"))
    assert "not in the installed package" in str(unavailable(tmp_path))


def test_a_checkout_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", on_path(tmp_path, "elixir", "elixirc"))
    assert unavailable() is None
    assert (CLIENT / "mix.exs").is_file()
