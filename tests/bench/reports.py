"""Reports as a run writes them, of calls that were played through a queue: the same seed gives the same report."""

from __future__ import annotations

import copy
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any

from hdrh.histogram import HdrHistogram

PERCENTILES = {"p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9, "p9999": 99.99}
_WINDOW = 8


@dataclass(frozen=True)
class Call:
    """One that was due; `latency_ms` and `uncorrected_ms` are None where it failed with `code`."""

    due_s: float
    latency_ms: float | None
    uncorrected_ms: float | None
    code: str | None = None
    op: str = "recommend"


Rate = Callable[[float], float]


@dataclass
class Play:
    """How calls come and what they cost: `rate` and `service_ms` by the time since the window began."""

    seconds: int = 20
    rate: Rate = lambda _at: 200.0
    service_ms: Rate = lambda _at: 1.2
    stalls: Mapping[float, float] = field(default_factory=dict)
    fails: Callable[[float], str | None] = lambda _at: None
    seed: int = 7
    mix: Mapping[str, float] = field(default_factory=lambda: {"recommend": 1.0})

    def calls(self) -> list[Call]:
        """One worker, first come first served; at most `_WINDOW` are under way, so a stall delays sends."""
        draw = random.Random(self.seed)
        due, ends, free, found = 0.0, [0.0] * _WINDOW, 0.0, []
        stalls = dict(self.stalls)
        while due < self.seconds:
            code = self.fails(due)
            if code is not None:
                found.append(Call(due, None, None, code))
            else:
                sent = max(due, ends[-_WINDOW])
                begun = max(sent, free)
                stall = sum(stalls.pop(at) for at in list(stalls) if at <= due)
                free = begun + stall + self.service_ms(due) / 1e3 * draw.lognormvariate(0, 0.35)
                ends.append(free)
                (op,) = draw.choices(list(self.mix), list(self.mix.values()))
                found.append(Call(due, (free - due) * 1e3, (free - sent) * 1e3, op=op))
            due += draw.expovariate(self.rate(due))
        return found


def latency_dict(histogram: Any) -> dict[str, Any] | None:
    if not histogram.get_total_count():
        return None
    found = histogram.get_percentile_to_value_dict(list(PERCENTILES.values()))
    figures = {name: found[q] / 1e3 for name, q in PERCENTILES.items()}
    mean, most = histogram.get_mean_value() / 1e3, histogram.get_max_value() / 1e3
    return {"count": histogram.get_total_count(), "mean": mean, **figures, "max": most}


def recorded(milliseconds: Iterable[float | None]) -> Any:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in milliseconds:
        if value is not None:
            histogram.record_value(max(1, round(value * 1e3)))
    return histogram


def phase(name: str, calls: list[Call], seconds: float) -> dict[str, Any]:
    corrected, uncorrected = (recorded(getattr(c, of) for c in calls) for of in ("latency_ms", "uncorrected_ms"))
    codes = Counter(call.code for call in calls if call.code is not None)
    ok = len(calls) - codes.total()
    return {
        "name": name,
        "duration_s": seconds,
        "offered": len(calls),
        "sent": len(calls) - codes["not_sent"],
        "not_sent": codes["not_sent"],
        "ok": ok,
        "errors": codes.total(),
        "errors_by_code": dict(sorted(codes.items())),
        "error_rate": codes.total() / len(calls) if calls else 0.0,
        "rate_offered": len(calls) / seconds if seconds else 0.0,
        "rate_achieved": ok / seconds if seconds else 0.0,
        "latency_ms": latency_dict(corrected),
        "uncorrected_ms": latency_dict(uncorrected),
        "answers_by_source": {"model": ok - ok // 20, "popular": ok // 20},
        "histogram": corrected.encode().decode("ascii"),
        "uncorrected_histogram": uncorrected.encode().decode("ascii"),
    }


def _rank(values: list[float], q: float) -> float | None:
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)] if values else None


def series(calls: list[Call], seconds: int, workers: int, gone: tuple[int, ...] = ()) -> dict[str, Any]:
    draw = random.Random(seconds)
    each: list[list[Call]] = [[] for _ in range(seconds)]
    for call in calls:
        each[int(call.due_s)].append(call)
    good = [[call.latency_ms for call in some if call.latency_ms is not None] for some in each]
    return {
        "interval_s": 1.0,
        "at_s": [float(at) for at in range(seconds)],
        "offered": [len(some) for some in each],
        "ok": [len(some) for some in good],
        "errors": [len(some) - len(well) for some, well in zip(each, good, strict=True)],
        "p50_ms": [_rank(some, 0.5) for some in good],
        "p99_ms": [_rank(some, 0.99) for some in good],
        "max_ms": [_rank(some, 1.0) for some in good],
        "rss_bytes": [
            [None if at in gone else 180_000_000 + 25_000 * at + worker * 9_000_000 for worker in range(workers)]
            for at in range(seconds)
        ],
        "cpu": [[None if at in gone else 0.3 + 0.2 * draw.random() for _ in range(workers)] for at in range(seconds)],
    }


def _worker(pid: int) -> dict[str, Any]:
    return {
        "pid": pid,
        "cpu": 0.412,
        "rss_bytes": 181_500_000,
        "rss_peak_bytes": 188_000_000,
        "batch_mean": 1.8,
        "batch_max": 41,
        "queue_ms_mean": 0.31,
        "queue_ms_max": 18.4,
        "service_ms_mean": 0.52,
        "service_ms_max": 3.9,
    }


def _driver(lag: dict[str, float] | None, busy: float, why: str | None = None) -> dict[str, Any]:
    return {"send_lag_ms": lag, "busy": busy, "limited": why is not None, "why": why}


def scenario(name: str = "steady", play: Play | None = None, **parts: Any) -> dict[str, Any]:
    """One of any name over a play of calls; `cuts` are the phases, name to beginning and end; parts replace parts."""
    play = play or Play()
    calls = play.calls()
    cuts = parts.pop("cuts", {"measured": (0, play.seconds)})
    workers = parts.pop("processes", 1)
    options = parts.pop("options", {})
    ops = sorted({call.op for call in calls})
    found = {
        "name": name,
        "driver": "python",
        "options": {
            **{"rate": play.rate(0), "arrivals": "poisson", "in_flight": None, "duration_s": float(play.seconds)},
            **{"warmup_s": 2.0, "workers": workers, "users": "zipf:1.1", "known_users": 1000, "cold": 0.05},
            **{"mix": dict(play.mix), "n": 10, "deadline_ms": 500, "payload_bytes": [], "seed": 7, "codec": "etf"},
            **options,
        },
        "phases": [
            phase(cut, [call for call in calls if begin <= call.due_s < end], end - begin)
            for cut, (begin, end) in cuts.items()
        ],
        "total": phase("total", calls, play.seconds),
        "by_op": {op: phase(op, [c for c in calls if c.op == op], play.seconds) for op in ops} if len(ops) > 1 else {},
        "series": series(calls, play.seconds, workers, parts.pop("gone", ())),
        "marks": [],
        "driver_load": _driver({"p50": 0.03, "p99": 0.21, "max": 1.4}, 0.22),
        "workers": [_worker(4100 + place) for place in range(workers)],
        "findings": {},
        "goals": [],
    }
    return found | parts


def report(*scenarios: dict[str, Any], slo: list[dict[str, Any]] | None = None, **parts: Any) -> dict[str, Any]:
    """A whole one; `met` follows from the objectives and the goals."""
    verdicts = slo if slo is not None else [_verdict(one, "p99<500ms") for one in scenarios]
    goals = [goal["met"] for one in scenarios for goal in one["goals"]]
    found = {
        "schema": "port_worker.bench/1",
        "command": ["bin/bench", "--rate", "200", "--slo", "p99<500ms"],
        "began": "2026-11-26T05:00:00Z",
        "machine": {
            **{"system": "Linux-6.1.0-x86_64-with-glibc2.36", "processors": 2, "load_average_1m": 1.31},
            "python": "3.11.7",
        },
        "worker": {
            **{"version": "0.1.0", "python": "3.11.7"},
            "model": {"version": "20261126T045501Z-als", "algorithm": "ALS"},
        },
        "scenarios": list(scenarios),
        "slo": verdicts,
        "met": all(verdict["met"] for verdict in verdicts) and False not in goals,
    }
    return found | parts


def _verdict(one: Mapping[str, Any], expression: str) -> dict[str, Any]:
    from port_worker.bench.slo import observed, parse

    found = parse(expression).judge(observed(one))
    return {"scenario": one["name"], "expression": expression, "observed": found.observed, "met": found.met}


Builder = Callable[[], dict[str, Any]]


def made_once(build: Builder) -> Builder:
    """The same report for every test, each with a copy of its own: playing the calls takes longer than most tests."""
    once = cache(build)

    @wraps(build)
    def copied() -> dict[str, Any]:
        return copy.deepcopy(once())

    return copied


@made_once
def stalled() -> dict[str, Any]:
    """A steady minute with one stall of 1.4 s in it."""
    return scenario("steady", Play(seconds=60, stalls={31.0: 1.4}), marks=[{"at_s": 31.0, "text": "stall of 1.4 s"}])


@made_once
def ramp() -> dict[str, Any]:
    rates = [200, 400, 800, 1200]

    def rate(at: float) -> float:
        return rates[min(int(at // 5), 3)]

    steps = {f"{value}/s": (5 * place, 5 * place + 5) for place, value in enumerate(rates)}
    found = scenario("ramp", Play(seconds=20, rate=rate, service_ms=lambda _at: 0.9), cuts=steps)
    found["marks"] = [{"at_s": 5.0 * place, "text": f"rate {value}/s"} for place, value in enumerate(rates)]
    found["findings"] = {
        "knee_rate": 800.0,
        "steps": [
            {"rate": one["rate_offered"], "p99_ms": one["latency_ms"]["p99"], "error_rate": 0.0, "met": rate < 1000}
            for one, rate in zip(found["phases"], rates, strict=True)
        ],
    }
    return found


@made_once
def burst() -> dict[str, Any]:
    cuts = {"calm": (0, 6), "burst": (6, 10), "calm again": (10, 16)}
    play = Play(seconds=16, rate=lambda at: 900.0 if 6 <= at < 10 else 150.0, service_ms=lambda _at: 1.05)
    marks = [{"at_s": 6.0, "text": "burst began"}, {"at_s": 10.0, "text": "burst ended"}]
    return scenario("burst", play, cuts=cuts, marks=marks, findings={"drained_ms": 412.5})


@made_once
def retrain() -> dict[str, Any]:
    cuts = {"before": (0, 10), "during": (10, 22), "after": (22, 32)}
    play = Play(seconds=32, service_ms=lambda at: 2.1 if 10 <= at < 22 else 1.2, mix={"recommend": 0.9, "similar": 0.1})
    marks = [{"at_s": 10.0, "text": "retrain of DeepFM began"}, {"at_s": 22.0, "text": "retrain ended, stored"}]
    goals = [
        {"text": "p99 during the retrain at most 2 times that before", "observed": "2.31 times", "met": False},
        {"text": "no errors", "observed": "0", "met": True},
    ]
    findings = {
        "seconds": 12.0,
        "result": {"version": "20261126T050102Z-deepfm", "evaluation": {"users": 2000}},
        "error": None,
    }
    return scenario("retrain", play, cuts=cuts, marks=marks, goals=goals, findings=findings)


@made_once
def kill() -> dict[str, Any]:
    def fails(at: float) -> str | None:
        return "worker_gone" if 7.2 <= at < 7.25 else "not_sent" if 7.25 <= at < 7.9 else None

    found = scenario("kill", Play(seconds=18, fails=fails), processes=2, gone=(7,))
    found["marks"] = [
        {"at_s": 7.2, "text": "killed worker 1 (SIGKILL)"},
        {"at_s": 7.9, "text": "worker 1 answered again after 702 ms"},
    ]
    found["findings"] = {"kills": [{"at_s": 7.2, "recovered_ms": 702.0, "lost": 131}], "hanging": 0}
    found["goals"] = [{"text": "no call hangs", "observed": "0", "met": True}]
    return found


@made_once
def garbage() -> dict[str, Any]:
    found = scenario("garbage", Play(seconds=12, fails=lambda at: "bad_request" if at % 3 < 0.05 else None))
    found["findings"] = {"frames": 52, "refused": 52, "closed": 0}
    return found


@made_once
def slow_reader() -> dict[str, Any]:
    found = scenario("slow-reader", Play(seconds=14, stalls={5.0: 2.5}))
    found["marks"] = [{"at_s": 5.0, "text": "the host stops reading"}, {"at_s": 7.5, "text": "it reads again"}]
    late = "sends 6.2 ms late at p99, busy 81%"
    found["driver_load"] = _driver({"p50": 0.1, "p99": 6.2, "max": 31.0}, 0.81, late)
    found["findings"] = {"rss_growth_bytes": 3_400_000}
    return found


@made_once
def soak() -> dict[str, Any]:
    slope = {"rss_slope_bytes_per_hour": 1_250_000.0}
    return scenario("soak", Play(seconds=90, rate=lambda _at: 100.0), findings=slope)


@made_once
def boot() -> dict[str, Any]:
    """Nothing is loaded: no call, no second."""
    found = scenario("boot", Play(seconds=0))
    figures = {"count": 10, "p50": 412.0, "p99": 530.0, "max": 530.0}
    found["findings"] = {"boots": 10, "ready_ms": figures, "first_answer_ms": {**figures, "p50": 415.5}}
    found["workers"] = []
    found["driver_load"] = _driver(None, 0.0)
    return found


BUILDERS: Mapping[str, Builder] = {
    "steady": stalled,
    "ramp": ramp,
    "burst": burst,
    "retrain": retrain,
    "kill": kill,
    "slow-reader": slow_reader,
    "garbage": garbage,
    "soak": soak,
    "boot": boot,
}
