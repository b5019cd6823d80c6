"""Where a summary goes: a file, or stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def check_writable(path: str | None, option: str = "--json") -> None:
    """Find out before the run that its result has nowhere to go. Raises OSError that names the option."""
    if path is None or path == "-":
        return
    try:
        with Path(path).open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise OSError(f"argument {option}: expected a file that can be written, got {path!r}: {error}") from None


def write_json(summary: dict[str, Any], path: str | None) -> None:
    """Write it to the file, to stdout for '-', or nowhere for None. Raises OSError."""
    if path is None:
        return
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(path).write_text(text, encoding="utf-8")
