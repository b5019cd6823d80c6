"""One HTML page of a version, with nothing outside of it: no script, no address."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape

from port_worker.report import charts
from port_worker.report.findings import Findings

_MODELS = ("candidate", "active", "popularity")
_METRICS = ("recall", "ndcg", "map", "coverage", "novelty")
_SHARES = ("recall", "ndcg", "map", "coverage")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } tr + tr td { border-top: 1px solid #eee; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { color: #666; }
svg { max-width: 100%; height: auto; }
"""


def page(found: Findings) -> str:
    """The text of the file, UTF-8."""
    title = f"Model {found.manifest.version}"
    parts = [_summary(found), _figures(found), _charts(found), _neighbours(found), _parameters(found)]
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    opening = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{escape(title)}</h1>'
    return f"{opening}\n{body}\n</body></html>\n"


def _summary(found: Findings) -> str:
    manifest = found.manifest
    rows = [
        ("algorithm", f"{manifest.algorithm} ({manifest.kind})"),
        ("trained", _moment(manifest.created_at)),
        ("on", f"{manifest.rows:,} rows of {manifest.users:,} users and {manifest.items:,} items"),
        ("from", manifest.source),
        ("data until", _moment(manifest.facts.get("learnt_until"))),
        ("size", f"{manifest.total_size:,} bytes"),
        ("verdict", str(manifest.facts.get("verdict", "none: it was not evaluated"))),
    ]
    return _table((), rows)


def _moment(seconds: object) -> str:
    if not isinstance(seconds, int):
        return "unknown"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, OSError, ValueError):  # a year that no calendar has
        return f"{seconds} s since 1970"


def _figures(found: Findings) -> str:
    models = {name: found.evaluation[name] for name in _MODELS if found.evaluation.get(name)}
    if not models:
        return ""
    head = ("", *(f"{name}@{found.evaluation['cutoff']}" for name in _METRICS))
    rows = [(name, *(f"{figures[metric]:.4f}" for metric in _METRICS)) for name, figures in models.items()]
    said = f"Of {found.evaluation['users']:,} users the last item was held out; each model ranked all items for them."
    return f"<h2>What it is worth</h2><p>{said}{_basis(found)}</p>{_table(head, rows)}"


def _basis(found: Findings) -> str:
    sentences = {
        "holdout": " The active model was asked for the same users.",
        "newer": " The active model was asked for the {} users whose item is newer than what it has learnt.",
        "recorded": " The active model's figures are those of its own evaluation: it has learnt what was held out.",
    }
    basis = found.evaluation.get("basis")
    return sentences.get(str(basis), "").format(found.evaluation.get("compared_users"))


def _charts(found: Findings) -> str:
    drawn: list[tuple[str, str]] = []
    models = {name: found.evaluation[name] for name in _MODELS if found.evaluation.get(name)}
    if models:
        drawn.append(("Metrics", charts.metrics(models, _SHARES)))
    if found.evaluation.get("bias"):
        drawn.append(("Popularity bias", charts.bias(found.evaluation["bias"])))
    heard = {phase: values for phase, values in found.losses.items() if any(value is not None for value in values)}
    if heard:
        drawn.append(("Loss", charts.losses(heard)))
    if found.rows_by_day:
        drawn.append(("Data", charts.volume(found.rows_by_day["first_day"], found.rows_by_day["rows"])))
    figures = "".join(f"<figure>{svg}<figcaption>{escape(name)}</figcaption></figure>" for name, svg in drawn)
    return f'<h2>Curves</h2><div class="charts">{figures}</div>' if drawn else ""


def _neighbours(found: Findings) -> str:
    rows = [
        (each.item, ", ".join(f"{name} ({closeness:.2f})" for name, closeness in each.alike))
        for each in found.neighbours
    ]
    return f"<h2>What it takes for alike</h2>{_table(('item', 'nearest, with the cosine'), rows)}" if rows else ""


def _parameters(found: Findings) -> str:
    rows = [(name, str(value)) for name, value in found.manifest.params.items()]
    libraries = ", ".join(f"{name} {version}" for name, version in found.manifest.libraries.items())
    return f"<h2>Hyper-parameters</h2>{_table((), rows)}<p>{escape(libraries)}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{f'<tr>{titles}</tr>' if head else ''}{lines}</table>"


def _cell(text: str) -> str:
    is_number = text.replace(".", "", 1).replace("-", "", 1).isdigit()
    return f'<td class="number">{escape(text)}</td>' if is_number else f"<td>{escape(text)}</td>"
