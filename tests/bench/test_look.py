"""The command that takes the pictures says what it lacks. The pictures themselves are for people."""

from __future__ import annotations

import pytest

from tests.bench import look


def test_without_its_arguments_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert look.main(["report.json"]) == 2
    assert "usage: python -m tests.bench.look REPORT.json OUTDIR" in capsys.readouterr().err


def test_without_a_browser_it_names_those_that_it_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert look.main(["report.json", "out"]) == 3
    assert "expected a browser on the PATH, one of chromium," in capsys.readouterr().err
