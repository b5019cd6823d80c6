"""A comparison as tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from rich.console import Console, RenderableType
from rich.text import Text

from port_worker.bench.comparison import HIGHER, LOWER, UNKNOWN, WITHIN
from port_worker.bench.figures import NONE, megabytes, milliseconds, plain, rate, ratio, share
from port_worker.bench.grids import Grid
from port_worker.bench.noise import FEWEST_SECONDS
from port_worker.bench.report import table

_WIDTH = 120
_WORDS = {
    HIGHER: "B is higher",
    LOWER: "B is lower",
    WITHIN: "within noise",
    UNKNOWN: "unknown",
}
_FORMS = {"ms": milliseconds, "/s": rate, "share": share, "bytes": megabytes, "cores": ratio}
_UNITS = {"share": "", "bytes": "MB"}


def show(comparison: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the tables to a stream."""
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else _WIDTH)
    for part in _parts(comparison):
        console.print(part)


def _parts(comparison: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield from _differing(comparison["differing"])
    for side, names in comparison["left_out"].items():
        if names:
            yield Text(f"only {side.upper()} has the scenario {', '.join(names)}")
    for scenario in comparison["scenarios"]:
        yield Text(scenario["name"], style="bold")
        yield from _differing(scenario["differing"])
        yield table(_grid(scenario["metrics"]))
        yield ""
    yield Text(_noise(comparison))


def _differing(found: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for one in found:
        yield Text(f"differs: {one['name']}, A {_plain(one['a'])}, B {_plain(one['b'])}", style="yellow")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_plain(one)}" for name, one in value.items())
    return plain(value)


def _grid(metrics: Sequence[Mapping[str, Any]]) -> Grid:
    return Grid(("", "A", "B", "B to A", "with noise", ""), [_row(metric) for metric in metrics])


def _row(metric: Mapping[str, Any]) -> list[str]:
    unit = _UNITS.get(metric["unit"], metric["unit"])
    values = (_FORMS[metric["unit"]](metric[side]) for side in ("a", "b"))
    name = f"{metric['name']}, {unit}" if unit else metric["name"]
    return [name, *values, *_change(metric), _WORDS[metric["verdict"]]]


def _change(metric: Mapping[str, Any]) -> tuple[str, str]:
    form = ratio if metric["difference"] is None else _points
    middle = metric["ratio"] if metric["difference"] is None else metric["difference"]
    if metric["low"] is None:
        return form(middle), NONE
    return form(middle), f"{form(metric['low'])} to {form(metric['high'])}"


def _points(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2%}"


def _noise(comparison: Mapping[str, Any]) -> str:
    judged = f"Judged at {comparison['confidence']:.0%} confidence by Welch's interval"
    if comparison["noise"] == "between runs":
        runs = comparison["runs"]
        return f"{judged} over {runs['a']} runs of A and {runs['b']} of B."
    return (
        f"{judged} over batches of seconds. The noise from one run to the next is not in it, and figures of a whole "
        f"run, or of less than {FEWEST_SECONDS} s, are not judged: repetitions do both, A1.json,A2.json B1.json,B2.json"
    )
