"""The command that uses the page says what it lacks. The page itself it looks at where the application runs."""

from __future__ import annotations

import pytest

from tests.app import browse


def test_without_its_arguments_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert browse.main(["http://127.0.0.1:4000/login?token=x"]) == 2
    assert "usage: python -m tests.app.browse LOGIN_URL OUTDIR" in capsys.readouterr().err


def test_without_a_browser_it_names_those_that_it_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert browse.main(["http://127.0.0.1:4000/login?token=x", "out"]) == 3
    assert "expected a browser on the PATH, one of chromium," in capsys.readouterr().err
