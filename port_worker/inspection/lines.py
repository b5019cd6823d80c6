"""Frames as lines: columns for people, JSON objects for programs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from typing import Any, TextIO, TypeAlias

from port_worker.inspection.frames import Frame

Show: TypeAlias = Callable[[Frame], None]

_HEADING = f"{'seconds':>12}  dir  {'bytes':>8}  {'id':>8}  term"
_LEAST_WIDTH = 20
"""Columns that a term gets in a window however narrow."""

_DIM, _RED, _YELLOW, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLOURS = {"in": "\x1b[36m", "out": "\x1b[32m"}


def columns_to(stream: TextIO, *, full: bool = False) -> Show:
    """Print each frame as a line of columns.

    On a terminal with a heading, colours (unless NO_COLOR is set), and terms cut at its width unless `full`; elsewhere
    plain and uncut.
    """
    on_terminal = stream.isatty()
    coloured = on_terminal and not os.environ.get("NO_COLOR")
    if on_terminal:
        _say(stream, _HEADING)

    def show(frame: Frame) -> None:
        before = (
            f"{_seconds(frame):>12}  {frame.direction or '?':<3}  {len(frame.payload):>8}  {_written(frame.id):>8}  "
        )
        width = shutil.get_terminal_size().columns if on_terminal and not full else None
        text = beginning(frame.text, None if width is None else max(width - len(before), _LEAST_WIDTH))
        _say(stream, _painted(frame, before, text) if coloured else before + text)

    return show


def json_to(stream: TextIO) -> Show:
    """Print each frame as one JSON object on a line."""

    def show(frame: Frame) -> None:
        _say(stream, json.dumps(as_json(frame)))

    return show


def as_json(frame: Frame) -> dict[str, Any]:
    """A frame as data. `hex` has the bytes where there is no `term`, and `error` why."""
    failed = frame.error is not None
    return {
        "time_us": frame.time_us,
        "direction": frame.direction,
        "bytes": len(frame.payload),
        "id": frame.id,
        "tag": frame.tag,
        "term": None if failed else "".join(frame.term),
        **({"error": frame.error, "hex": frame.payload.hex()} if failed else {}),
        **({"notes": list(frame.notes)} if frame.notes else {}),
    }


def beginning(pieces: Iterable[str], most: int | None) -> str:
    """The text, or its first `most` characters with `...` for the rest, for which no work is done."""
    if most is None:
        return "".join(pieces)
    text = ""
    for piece in pieces:
        text += piece[: most + 1]
        if len(text) > most:
            return text[: most - 3] + "..."
    return text


def _seconds(frame: Frame) -> str:
    return "" if frame.time_us is None else f"{frame.time_us / 1_000_000:.6f}"


def _written(call_id: int | None) -> str:
    return "" if call_id is None else str(call_id)


def _painted(frame: Frame, before: str, text: str) -> str:
    colour = (
        _YELLOW if frame.error is not None else _RED if frame.tag == "error" else _COLOURS.get(frame.direction or "")
    )
    return f"{_DIM}{before}{_PLAIN}{colour or ''}{text}{_PLAIN}"


def _say(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()  # what comes through a pipe as it happens is shown as it happens
