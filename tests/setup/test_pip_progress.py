"""What the user sees of pip."""

from __future__ import annotations

import io

import pytest

from pip_progress import Progress, count_requirements

LINES = """Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Collecting numpy==2.4.6 (from -r train.lock (line 1))
  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.8 MB)
Collecting six==1.17.0 (from -r train.lock (line 9))
  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)
  Building wheel for librecommender (pyproject.toml): started
Installing collected packages: numpy, six
""".splitlines(keepends=True)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_it_writes_a_line_for_what_takes_time() -> None:
    out = io.StringIO()
    with Progress(out, "[1/1] libraries", 3) as progress:
        for line in LINES:
            progress.feed(line)
    assert out.getvalue().splitlines() == [
        "[1/1] libraries ...",
        "[1/1] libraries: 1 of 2: downloading numpy, 16.8 MB",
        "[1/1] libraries: building librecommender",
        "[1/1] libraries: installing 2 packages",
        "[1/1] libraries: done, 0 s",
    ]


def test_on_a_terminal_it_rewrites_one_line() -> None:
    out = Terminal()
    with Progress(out, "libraries", 3) as progress:
        for line in LINES:
            progress.feed(line)
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().split("\r")[-1] == "libraries: done, 0 s\n"


def test_a_step_that_raises_is_shown_as_failed() -> None:
    out = io.StringIO()
    with pytest.raises(OSError, match="disk"), Progress(out, "libraries"):
        raise OSError("disk full")
    assert "libraries: failed, 0 s\n" in out.getvalue()


def test_requirements_are_counted_without_their_hashes() -> None:
    assert (
        count_requirements("a==1 \\\n    --hash=sha256:00\nb==2 ; python_version > '3' \\\n    --hash=sha256:01\n") == 2
    )
