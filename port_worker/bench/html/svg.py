"""Charts as SVG: lines over two axes, marks in time, bounds. Colours and fonts are the style sheet's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from port_worker.bench.html.elements import element
from port_worker.bench.html.scales import Scale

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 34.0, 40.0
_MARK_GAP = 19.0
"""Numbers of marks that are nearer than this would cover each other."""
_MARK_REACH = 2 * _MARK_GAP
"""How far beside its line a number may be; what has no room has none, and the list below has them all."""
_DIGIT = 7.5
"""Width of a character of an axis, more rather than less."""


@dataclass(frozen=True)
class Size:
    """Of the drawing, in its own units; text is 12 of them high."""

    width: float
    height: float
    name: str


WIDE = Size(560, 320, "wide")
NARROW = Size(350, 260, "narrow")


@dataclass(frozen=True)
class Line:
    """Values over x; None leaves a gap. `colour` is a number of the style sheet's; `area` fills what is below."""

    label: str
    points: Sequence[tuple[float, float | None]]
    colour: int
    dashed: bool = False
    area: bool = False


@dataclass(frozen=True)
class Bound:
    """A value of y that should not be passed, drawn up to `until` on x, or all the way."""

    label: str
    y: float
    until: float | None = None


@dataclass(frozen=True)
class Chart:
    """What is drawn; `marks` are values of x, which are numbered from 1, and `named` is one with a name of its own."""

    title: str
    x: Scale
    y: Scale
    x_label: str
    y_label: str
    lines: Sequence[Line]
    bounds: Sequence[Bound] = ()
    marks: Sequence[float] = ()
    named: tuple[float, str] | None = None


def drawn(chart: Chart, size: Size) -> Element:
    """The chart in that size, with its title for who cannot see it."""
    frame = _Frame(chart, size)
    below = [*frame.y_axis(), *frame.x_axis(), *frame.marks(), *frame.named()]
    parts = [*below, *map(frame.line, chart.lines), *frame.bounds()]
    said = f"{chart.title}: {chart.y_label} over {chart.x_label}; {', '.join(line.label for line in chart.lines)}"
    view = f"0 0 {size.width:g} {size.height:g}"
    return element("svg", *parts, viewBox=view, role="img", aria_label=said, class_=size.name)


class _Frame:
    """The place of everything in a drawing."""

    def __init__(self, chart: Chart, size: Size) -> None:
        self._chart = chart
        self._left, self._right = _LEFT, size.width - _RIGHT
        self._top, self._bottom = _TOP, size.height - _BOTTOM

    def _x(self, value: float) -> float:
        return self._left + self._chart.x.at(value) * (self._right - self._left)

    def _y(self, value: float) -> float:
        return self._bottom - self._chart.y.at(value) * (self._bottom - self._top)

    def y_axis(self) -> Iterator[Element]:
        """A line across for each figure, and what they count."""
        for value, text in self._chart.y.ticks:
            y = self._y(value)
            yield element("line", x1=self._left, x2=self._right, y1=y, y2=y, class_="grid")
            yield element("text", text, x=self._left - 7, y=y + 4, class_="end")
        yield element("text", self._chart.y_label, x=2, y=12, class_="axis")

    def x_axis(self) -> Iterator[Element]:
        """A tick for each figure, without it where the figure before is in the way, and what they count."""
        taken = 0.0
        for value, text in self._chart.x.ticks:
            x = self._x(value)
            half = _DIGIT * len(text) / 2
            middle = min(x, self._right + _RIGHT - half)
            yield element("line", x1=x, x2=x, y1=self._bottom, y2=self._bottom + 4, class_="tick")
            if middle - half >= taken:
                taken = middle + half
                yield element("text", text, x=middle, y=self._bottom + 17, class_="middle")
        yield element("line", x1=self._left, x2=self._right, y1=self._bottom, y2=self._bottom, class_="tick")
        yield element("text", self._chart.x_label, x=self._right, y=self._bottom + 34, class_="axis end")

    def line(self, line: Line) -> Element:
        """A path with a gap wherever there is no value."""
        runs = _runs(line.points)
        path = " ".join(self._path(run) for run in runs)
        classes = f"line c{line.colour}{' dashed' if line.dashed else ''}"
        named = element("title", line.label)
        if not line.area:
            return element("path", named, d=path, class_=classes)
        filled = " ".join(f"{self._path(run)} V{self._bottom:.1f} H{self._x(run[0][0]):.1f} Z" for run in runs)
        area = element("path", d=filled, class_=f"area c{line.colour}")
        return element("g", area, element("path", named, d=path, class_=classes))

    def _path(self, run: Sequence[tuple[float, float]]) -> str:
        places = [f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in run]
        # A value alone between two gaps is a dot: a line of no length with a round end.
        return f"M{' L'.join(places if len(places) > 1 else places * 2)}"

    def marks(self) -> Iterator[Element]:
        """A line for each, and its number above it, beside the number before where that is in the way."""
        free = 0.0
        for number, at in enumerate(self._chart.marks, 1):
            x = self._x(at)
            yield element("line", x1=x, x2=x, y1=self._top - 6, y2=self._bottom, class_="mark")
            flag = max(x, free)
            if flag - x <= _MARK_REACH and flag <= self._right + 4:
                free = flag + _MARK_GAP
                yield element("circle", cx=flag, cy=self._top - 10, r=8, class_="flag")
                yield element("text", str(number), x=flag, y=self._top - 6, class_="middle flag")

    def named(self) -> Iterator[Element]:
        """The line of a single place, and its name beside it."""
        if self._chart.named is not None:
            at, name = self._chart.named
            x = self._x(at)
            side = "end" if x > (self._left + self._right) / 2 else "start"
            yield element("line", x1=x, x2=x, y1=self._top - 6, y2=self._bottom, class_="mark")
            yield element("text", name, x=x + (-5 if side == "end" else 5), y=self._top - 8, class_=f"{side} axis")

    def bounds(self) -> Iterator[Element]:
        """Dashed, with the objective's own words at its end."""
        for bound in self._chart.bounds:
            y, end = self._y(bound.y), self._right if bound.until is None else self._x(bound.until)
            yield element("line", x1=self._left, x2=end, y1=y, y2=y, class_="bound")
            if bound.until is not None:
                yield element("circle", cx=end, cy=y, r=3, class_="bound")
            above = y - 6 if y - 18 > self._top else y + 15
            yield element("text", bound.label, x=self._left + 6, y=above, class_="bound")


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]
