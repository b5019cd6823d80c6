"""Latencies as `.hgrm`, the percentile distribution that HdrHistogram's own plotter and wrk2's users read.

Milliseconds, corrected. One distribution to a file, as those readers expect: a report of one scenario writes its total
to the path that was asked for; of several, each has its name before the ending, `out.hgrm` becoming `out-steady.hgrm`.
Where a scenario has several phases, each has a file of its own as well, `out-retrain-2-during.hgrm`; and beside each
file of a total there is one of its uncorrected latencies, `out-uncorrected.hgrm`. What had no answer has no file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from port_worker.bench.distribution import US_PER_MS, decoded

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram


def write(report: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Write the files; returns their paths, the first of them `path` where there is one scenario. Raises OSError."""
    path = Path(path)
    written = []
    for suffix, encoded in _distributions(report):
        histogram = decoded(encoded)
        if histogram is not None:
            target = path.with_name(f"{path.stem}{suffix}{path.suffix}")
            target.write_text(distribution(histogram), encoding="ascii")
            written.append(target)
    if path not in written and path.exists() and path.stat().st_size == 0:
        path.unlink()  # made by who looked whether it can be written
    return written


def _distributions(report: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """What a file's name has before its ending, and the histogram in it."""
    several = len(report["scenarios"]) > 1
    for scenario in report["scenarios"]:
        name = f"-{scenario['name']}" if several else ""
        yield name, scenario["total"]["histogram"]
        yield f"{name}-uncorrected", scenario["total"]["uncorrected_histogram"]
        for place, phase in enumerate(scenario["phases"] if len(scenario["phases"]) > 1 else (), 1):
            yield f"{name}-{place}-{_file_name(phase['name'])}", phase["histogram"]


def _file_name(phase: str) -> str:
    """`rate 400/s` as `rate-400-s`: nothing that leads out of a folder."""
    return re.sub(r"[^a-z0-9.]+", "-", phase.lower()).strip("-.") or "phase"


def distribution(histogram: HdrHistogram) -> str:
    """The text of one file, as HdrHistogram's `outputPercentileDistribution` writes it."""
    out = io.BytesIO()
    histogram.output_percentile_distribution(out, US_PER_MS)
    body = out.getvalue().decode("ascii").partition("#[")[0]
    return body + _footer(histogram)


def _footer(histogram: HdrHistogram) -> str:
    # By hand: the library divides the mean by the unit, and forgets the deviation.
    mean, deviation = histogram.get_mean_value() / US_PER_MS, histogram.get_stddev() / US_PER_MS
    most, calls = histogram.get_max_value() / US_PER_MS, histogram.get_total_count()
    return (
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]\n"
        f"#[Max     = {most:12.3f}, Total count    = {calls:12d}]\n"
        f"#[Buckets = {histogram.bucket_count:12d}, SubBuckets     = {histogram.sub_bucket_count:12d}]\n"
    )
