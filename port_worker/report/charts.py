"""Curves and bars as SVG, by matplotlib. Text stays text, and the same numbers give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "port_worker", "font.family": "sans-serif", "font.size": 9}
_INCHES = (5.2, 2.6)
_COLOURS = {"candidate": "#3b6fb6", "active": "#8a8f98", "popularity": "#d9a441"}
_EPOCH = date(1970, 1, 1)


def losses(of: Mapping[str, Sequence[float | None]]) -> str:
    """A curve for each phase: the mean loss of each epoch."""

    def draw(axes: Any) -> None:
        for phase, values in of.items():
            heard = [(epoch, value) for epoch, value in enumerate(values, 1) if value is not None]
            axes.plot(*zip(*heard, strict=True), marker=".", label=phase.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)

    return _drawn(draw)


def metrics(of: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """Bars of some metrics side by side for each model."""

    def draw(axes: Any) -> None:
        width = 0.8 / len(of)
        for place, (model, values) in enumerate(of.items()):
            lefts = [index + place * width for index in range(len(names))]
            heights = [values[name] for name in names]
            axes.bar(lefts, heights, width, label=model, color=_COLOURS[model])
        axes.set_xticks([index + 0.4 - width / 2 for index in range(len(names))], names)
        axes.legend(frameon=False)

    return _drawn(draw)


def bias(of: Mapping[str, Sequence[float]]) -> str:
    """Shares by decile of popularity."""

    def draw(axes: Any) -> None:
        labels = {"met": "what users met", "candidate": "what is recommended"}
        for name, shares in of.items():
            axes.plot(range(1, len(shares) + 1), shares, marker=".", label=labels.get(name, name))
        axes.set_xlabel("decile of the items, the most popular first")
        axes.set_ylabel("share")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    return _drawn(draw)


def volume(first_day: int, rows: Sequence[int]) -> str:
    """Rows of each day."""

    def draw(axes: Any) -> None:
        days = [_EPOCH + timedelta(days=first_day + place) for place in range(len(rows))]
        axes.fill_between(days, rows, step="mid", alpha=0.5)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("rows a day")
        axes.figure.autofmt_xdate()

    return _drawn(draw)


def _drawn(draw: Any) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        return _svg(figure)


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return _METADATA.sub("", text[text.index("<svg") :])


_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
"""Says that it is a picture, by addresses that nobody needs."""
