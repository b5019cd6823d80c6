"""What the command line's texts mean. Each reader raises argparse.ArgumentTypeError: what was expected, what came."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from port_worker.bench.slo import Objective, parse

OPERATIONS = ("recommend", "similar", "score", "batch")
MOST_PAYLOAD_BYTES = 960 * 1024
"""Of one call: of the ids that make it up, few more are within a worker's limits of terms in a frame."""

_SIZE = re.compile(r"(\d+)([km]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}
_MOST_EXPONENT = 10.0


def number(least: float, most: float, *, above: bool = False) -> Callable[[str], float]:
    """A number in a range; `above` leaves the lower bound itself out."""
    expected = f"a number {'above' if above else 'from'} {least:g} {'and at most' if above else 'to'} {most:g}"

    def read(text: str) -> float:
        value = _float(text)
        if not least <= value <= most or (above and value == least):
            raise _refused(expected, text)
        return value

    return read


def integer(least: int, most: int) -> Callable[[str], int]:
    """A whole number in a range."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise _refused(f"a whole number from {least} to {most}", text)
        return value

    return read


def share(least: float = 0.0, *, above: bool = False) -> Callable[[str], float]:
    """A share: `5%` or `0.05`; `above` leaves the lower bound itself out."""

    def read(text: str) -> float:
        value = _float(text[:-1]) / 100 if text.endswith("%") else _float(text)
        if not least <= value <= 1.0 or (above and value == least):
            bound = "above" if above else "from"
            raise _refused(f"a share {bound} {least:g} to 1, or {bound} {least:.0%} to 100%", text)
        return value

    return read


def users(text: str) -> str:
    """`uniform`, `zipf:EXPONENT`, or a file that can be read."""
    if text == "uniform":
        return text
    kind, _, exponent = text.partition(":")
    if kind == "zipf":
        if not 0.0 < _float(exponent) <= _MOST_EXPONENT:
            raise _refused(f"zipf: and an exponent above 0 and at most {_MOST_EXPONENT:g}, as in zipf:1.1", text)
        return text
    if not Path(text).is_file():
        raise _refused("uniform, zipf:1.1 or a file with one id a line", text)
    return text


def mix(text: str) -> dict[str, float]:
    """`recommend=95,similar=3`: the share of each operation, of any sum; those with 0 are left out."""
    expected = f"operations of {', '.join(OPERATIONS)}, each once, with shares, as in recommend=95,score=5"
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, given = part.strip().partition("=")
        weight = _float(given)
        if name not in OPERATIONS or name in shares or not 0.0 <= weight < math.inf:
            raise _refused(expected, text)
        shares[name] = weight
    total = sum(shares.values())
    if not 0.0 < total < math.inf:
        raise _refused(expected, text)
    return {name: weight / total for name, weight in shares.items() if weight}


def payload(text: str) -> tuple[int, ...]:
    """`0,1k,16k`: sizes in bytes, with k and m for 1024 and 1024^2 of them."""
    sizes = []
    for part in text.split(","):
        form = _SIZE.fullmatch(part.strip())
        size = int(form[1]) * _UNITS[form[2].lower()] if form else MOST_PAYLOAD_BYTES + 1
        if size > MOST_PAYLOAD_BYTES:
            raise _refused(f"sizes from 0 to {MOST_PAYLOAD_BYTES // 1024}k, as in 0,1k,16k", text)
        sizes.append(size)
    return tuple(sizes)


def objective(text: str) -> Objective:
    """One of --slo."""
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def command(text: str) -> list[str]:
    """A command line, as a shell would split it into words; the program by its full path, where there is one."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation without an end
        words = []
    if not words:
        raise _refused("a command and its arguments, quoted as for a shell", text)
    program = shutil.which(words[0])
    return words if program is None else [str(Path(program).absolute()), *words[1:]]


def program(text: str) -> list[str]:
    """As `command`, of a program that is there."""
    words = command(text)
    if shutil.which(words[0]) is None:
        raise _refused("a command whose program is there to be run", text)
    return words


def header(text: str) -> tuple[str, str]:
    """`Name: value`, of one of --header."""
    from port_worker.bench.http.target import header_of

    try:
        return header_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _refused(expected: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
