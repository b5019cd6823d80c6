"""A run as numbers: what `--json` writes and the table shows."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from port_worker.bench.calls import ANSWERED, NOT_SENT, Phase
from port_worker.bench.latency import latencies, percentile
from port_worker.bench.slo import Objective, Observed

if TYPE_CHECKING:
    from port_worker.bench.load import Run
    from port_worker.bench.retraining import Retraining
    from port_worker.bench.schedule import Schedule

_LATE_MS = 2.0
_BUSY = 0.7
"""A driver that sends later than this at its 99th percentile, or computes more of the time, measures itself too."""


def summarize(
    run: Run, schedule: Schedule, retraining: Retraining | None, objectives: Sequence[Objective]
) -> dict[str, Any]:
    """The summary, JSON-like. Rates in calls a second, shares 0..1; `latency_ms` is None when nothing was answered.

    `errors` counts every measured call that was due and has no good answer, those that were never sent among them, so
    `error_rate` is of all that were due. A retrain that failed breaches: a run that should have had one and had not
    proves nothing.
    """
    counted = _counted(run, None)
    summary = {
        "rate_offered": schedule.rate,
        "rate_achieved": counted["ok"] / run.window_s if run.window_s > 0 else 0.0,
        "duration_s": run.window_s,
        "warmup_s": schedule.warmup_s,
        **counted,
        "answers_by_source": dict(run.sources),
        "driver": _driver(run),
        "machine": machine(),
    }
    if retraining is not None:
        summary["retrain"] = _retrain(run, retraining)
    verdicts = [asdict(objective.judge(_observed(summary))) for objective in objectives]
    failed = retraining is not None and retraining.error is not None
    return summary | {"slo": verdicts, "slo_met": all(verdict["met"] for verdict in verdicts) and not failed}


def _counted(run: Run, phase: Phase | None) -> dict[str, Any]:
    counts = run.calls.counts(phase)
    offered, ok = counts.total(), counts.pop(ANSWERED, 0)
    measured = latencies(run.calls.latencies(phase))
    return {
        "offered": offered,
        "sent": offered - counts[NOT_SENT],
        "ok": ok,
        "errors": offered - ok,
        "errors_by_code": {code: count for code, count in sorted(counts.items()) if count},
        "error_rate": (offered - ok) / offered if offered else 0.0,
        "latency_ms": None if measured is None else asdict(measured),
    }


def _driver(run: Run) -> dict[str, Any]:
    lags = run.calls.lags()
    lags.sort()
    if len(lags) == 0:
        return {"send_lag_ms": None, "busy": run.driver_busy, "limited": False}
    lag = {"p50": percentile(lags, 50.0), "p99": percentile(lags, 99.0), "max": float(lags[-1])}
    limited = lag["p99"] > _LATE_MS or run.driver_busy > _BUSY
    return {"send_lag_ms": lag, "busy": run.driver_busy, "limited": limited}


def _retrain(run: Run, retraining: Retraining) -> dict[str, Any]:
    return {
        "seconds": retraining.seconds,
        "result": retraining.result,
        "error": retraining.error,
        "phases": {phase.name.lower(): _counted(run, phase) for phase in Phase},
    }


def _observed(summary: Mapping[str, Any]) -> Observed:
    return Observed(
        latency_ms=summary["latency_ms"] or {},
        errors=summary["errors"],
        error_rate=summary["error_rate"],
        rate=summary["rate_achieved"],
        rate_offered=summary["rate_offered"],
    )


def machine() -> dict[str, Any]:
    """What a run ran on, and how busy it was besides."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load_average_1m": load,
        "python": platform.python_version(),
    }
