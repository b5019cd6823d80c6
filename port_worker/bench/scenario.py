"""What happens in the middle of a run, and the goals that go with it.

The scenario `retrain`: while the worker serves what it has (ALS, unless --algorithm names another), DeepFM is trained
and only stored. So the model that answers is the same before and during, and what is measured is what a training beside
it costs; what a swap costs is in a run with `--retrain` alone, which activates what it has trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from port_worker.bench.goals import Goal, at_most

SCENARIOS = ("retrain",)
TRAINED = "DeepFM"
"""What the scenario trains where nobody says: minutes of work for every core, as far as it is let."""

MOST_TIMES = 2.0


def goals(summary: Mapping[str, Any]) -> Sequence[Goal]:
    """Those of the scenario `retrain`, by the summary of its run; a retrain that failed has measured nothing."""
    retrain = summary["retrain"]
    before, during = (retrain["phases"][name]["latency_ms"] for name in ("before", "during"))
    measured = retrain["error"] is None and before is not None and during is not None
    times = during["p99"] / before["p99"] if measured else None
    return [
        at_most(f"p99 during the retrain at most {MOST_TIMES:g} times that before", times, MOST_TIMES),
        at_most("no errors", float(summary["errors"]), 0.0, "{:.0f}"),
    ]
