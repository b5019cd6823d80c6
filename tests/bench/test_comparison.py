"""Two sides compared: what is noise, what is more, and what is not comparable. Of seeded calls, without a clock."""

from __future__ import annotations

import argparse
import copy
import io
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.bench import compare_cli
from port_worker.bench.comparison import HIGHER, LOWER, SCHEMA, UNKNOWN, WITHIN, NotComparableError, compare
from port_worker.bench.comparison_report import show
from port_worker.bench.noise import FEWEST_SECONDS, batches, difference
from tests.bench.reports import Play, boot, kill, ramp, report, scenario

P50, P99 = "p50 in a second", "p99 in a second"


@cache
def _steady(seed: int, service_ms: float, seconds: int) -> dict[str, Any]:
    return report(scenario("steady", Play(seconds=seconds, seed=seed, service_ms=lambda _at: service_ms)))


def steady(seed: int, service_ms: float = 1.2, seconds: int = 40) -> dict[str, Any]:
    return copy.deepcopy(_steady(seed, service_ms, seconds))


def metrics(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["name"]: metric for metric in comparison["scenarios"][0]["metrics"]}


def test_the_same_worker_twice_differs_by_noise_alone() -> None:
    found = metrics(compare([steady(1)], [steady(2)]))
    judged = {name: metric["verdict"] for name, metric in found.items() if metric["verdict"] != UNKNOWN}
    assert set(judged.values()) == {WITHIN}
    assert {P50, P99, "worst in a second", "answered", "errors"} <= set(judged)
    for name in (P50, P99, "answered"):
        assert found[name]["low"] < found[name]["ratio"] < found[name]["high"]


def test_a_slower_worker_is_slower_and_a_faster_one_faster() -> None:
    slower = metrics(compare([steady(1)], [steady(2, 1.5)]))[P50]
    assert slower["verdict"] == HIGHER
    assert 1.2 < slower["low"] < slower["ratio"] < slower["high"] < 1.5
    assert metrics(compare([steady(2, 1.5)], [steady(1)]))[P50]["verdict"] == LOWER


def test_a_ratio_is_that_of_the_figures_beside_it() -> None:
    for metric in metrics(compare([steady(1)], [steady(2, 1.5)])).values():
        if metric["ratio"] is not None:
            assert metric["ratio"] == pytest.approx(metric["b"] / metric["a"])
        else:
            assert metric["difference"] == pytest.approx(metric["b"] - metric["a"])


def test_figures_of_a_whole_run_are_judged_by_repetitions_only() -> None:
    one = metrics(compare([steady(1)], [steady(2, 1.5)]))["p50 of all"]
    assert (one["verdict"], one["low"]) == (UNKNOWN, None)
    several = compare([steady(seed) for seed in (1, 3, 5)], [steady(seed, 1.5) for seed in (2, 4, 6)])
    assert several["noise"] == "between runs"
    found = metrics(several)["p50 of all"]
    assert found["verdict"] == HIGHER
    each = [[steady(seed, ms)["scenarios"][0]["total"]["latency_ms"]["p50"] for seed in seeds]
            for seeds, ms in (((1, 3, 5), 1.2), ((2, 4, 6), 1.5))]  # fmt: skip
    assert found["a"] == pytest.approx(math.prod(each[0]) ** (1 / 3))
    assert found["ratio"] == pytest.approx((math.prod(each[1]) / math.prod(each[0])) ** (1 / 3))


def test_a_worker_that_varies_from_run_to_run_is_not_told_apart_by_runs() -> None:
    """Within a run the seconds agree; between runs they do not, and only repetitions show that."""
    a, b = [steady(1, 1.2), steady(3, 1.9)], [steady(2, 1.4), steady(4, 2.0)]
    assert metrics(compare(a[:1], b[:1]))[P50]["verdict"] == HIGHER
    assert metrics(compare(a, b))[P50]["verdict"] == WITHIN


def test_memory_is_judged_by_repetitions_only() -> None:
    """It hardly moves within a run, whatever the next one would hold."""
    smaller = [steady(seed) for seed in (2, 4)]
    for one in smaller:
        series = one["scenarios"][0]["series"]
        series["rss_bytes"] = [[value * 0.8 for value in row] for row in series["rss_bytes"]]
    name = "memory of all workers"
    assert metrics(compare([steady(1)], smaller[:1]))[name]["verdict"] == UNKNOWN
    found = metrics(compare([steady(1), steady(3)], smaller))[name]
    assert (found["verdict"], found["ratio"]) == (LOWER, pytest.approx(0.8))


def test_a_short_run_is_not_judged() -> None:
    found = metrics(compare([steady(1)], [steady(2, 1.5, FEWEST_SECONDS - 1)]))
    assert {metric["verdict"] for metric in found.values()} == {UNKNOWN}
    assert found[P50]["ratio"] > 1.2


def test_errors_are_compared_by_their_difference() -> None:
    broken = report(
        scenario("steady", Play(seconds=40, seed=2, fails=lambda at: "overloaded" if at % 1 < 0.1 else None))
    )
    found = metrics(compare([steady(1)], [broken]))["errors"]
    total = broken["scenarios"][0]["total"]
    assert (found["ratio"], found["verdict"]) == (None, HIGHER)
    assert found["difference"] == pytest.approx(total["error_rate"], rel=0.01)
    assert found["low"] < found["difference"] < found["high"]


def test_a_knee_is_compared() -> None:
    higher = ramp()
    higher["findings"]["knee_rate"] = 1200.0
    found = metrics(compare([report(ramp())], [report(higher)]))["knee of the ramp"]
    assert (found["a"], found["b"], found["verdict"]) == (pytest.approx(800.0), pytest.approx(1200.0), UNKNOWN)
    higher["findings"]["knee_rate"] = None
    assert "knee of the ramp" not in metrics(compare([report(ramp())], [report(higher)]))


def test_what_differs_around_the_runs_is_listed() -> None:
    other = steady(2)
    other["machine"]["processors"] = 64
    other["worker"] = None
    other["scenarios"][0]["options"]["rate"] = 400.0
    other["scenarios"][0]["driver"] = "elixir"
    found = compare([steady(1)], [other])
    assert {"name": "machine processors", "a": 2, "b": 64} in found["differing"]
    assert {"name": "worker version", "a": "0.1.0", "b": None} in found["differing"]
    assert found["scenarios"][0]["differing"] == [
        {"name": "driver", "a": "python", "b": "elixir"},
        {"name": "rate", "a": 200.0, "b": 400.0},
    ]
    assert metrics(found)[P50]["verdict"] == WITHIN


def test_only_common_scenarios_are_compared_and_the_others_named() -> None:
    suite = report(kill(), steady(2)["scenarios"][0], boot())
    found = compare([steady(1)], [suite])
    assert [one["name"] for one in found["scenarios"]] == ["steady"]
    assert found["left_out"] == {"a": [], "b": ["kill", "boot"]}


def test_boots_have_nothing_by_the_second() -> None:
    assert compare([report(boot())], [report(boot())])["scenarios"][0]["metrics"] == []


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([steady(1)], [report(kill())], "expected reports with a scenario in common, got steady and kill"),
        ([steady(1), report(kill())], [steady(1)], "repetitions of the same scenarios"),
        ([steady(1), steady(2, seconds=39)], [steady(1)], "same options, steady differs in duration_s"),
        ([report(kill(), kill())], [report(kill())], "each scenario once"),
    ],
)
def test_what_cannot_be_compared_is_refused(a: list[Any], b: list[Any], why: str) -> None:
    with pytest.raises(NotComparableError, match=why):
        compare(a, b)


def test_repetitions_may_have_other_seeds() -> None:
    other = steady(3)
    other["scenarios"][0]["options"]["seed"] = 8
    assert compare([steady(1), other], [steady(2), steady(4)])["runs"] == {"a": 2, "b": 2}


def test_a_comparison_is_json_whatever_was_compared() -> None:
    for side in (steady(1), report(boot()), report(kill())):
        found = compare([side], [side])
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["schema"] == SCHEMA


@pytest.mark.parametrize("count", [0, 19, 20, 23, 49, 50, 61, 3600])
def test_batches_cover_a_series_once_and_in_order(count: int) -> None:
    found = batches(count)
    if count < FEWEST_SECONDS:
        assert found == []
        return
    assert [place for batch in found for place in batch] == list(range(count))
    assert 4 <= len(found) <= 10
    assert min(map(len, found)) >= 5


def test_an_interval_is_welchs() -> None:
    """By hand: means 2 and 6, variances 1 and 4 of 3 each: the error is sqrt(5/3), and the freedom 2.94, cut to 2."""
    found = difference([1.0, 2.0, 3.0], [4.0, 6.0, 8.0])
    assert found is not None
    assert (found.low, found.high) == pytest.approx((4 - 9.925 * math.sqrt(5 / 3), 4 + 9.925 * math.sqrt(5 / 3)))
    assert not found.is_beyond_noise


def test_an_interval_needs_two_of_each_and_knows_what_never_varies() -> None:
    assert difference([1.0], [2.0, 3.0]) is None
    assert difference([], []) is None
    constant = difference([1.0, 1.0], [2.0, 2.0])
    assert constant is not None
    assert (constant.low, constant.high, constant.is_beyond_noise) == (1.0, 1.0, True)
    same = difference([0.0, 0.0], [0.0, 0.0])
    assert same is not None
    assert not same.is_beyond_noise


@pytest.mark.parametrize("carried", [0.0, 0.5])
def test_equals_are_seldom_told_apart_even_when_seconds_hang_together(carried: float) -> None:
    """At 99 % one in a hundred; 300 pairs of minutes, each second of which has half of the second before in it."""
    draw = np.random.default_rng(11)

    def minute() -> list[float]:
        value, found = 0.0, []
        for step in draw.standard_normal(80):
            value = carried * value + step
            found.append(value)
        return [float(np.mean(found[20:][batch.start : batch.stop])) for batch in batches(60)]

    intervals = [difference(minute(), minute()) for _ in range(300)]
    assert sum(one is not None and one.is_beyond_noise for one in intervals) <= 15


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="bench compare")
    compare_cli.configure(parser)
    return compare_cli.run(parser.parse_args(list(words)))


def saved(folder: Path, name: str, found: dict[str, Any]) -> str:
    path = folder / name
    path.write_text(json.dumps(found), encoding="utf-8")
    return str(path)


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path, "a.json", steady(1)), saved(tmp_path, "b.json", steady(2, 1.5))
    assert run(a, b) == 0
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith(P50)]
    assert row.endswith("B is higher")
    assert "The noise from one run to the next is not in it" in out


def test_repetitions_are_joined_by_commas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [saved(tmp_path, f"{seed}.json", steady(seed)) for seed in (1, 2, 3, 4)]
    assert run(",".join(names[:2]), ",".join(names[2:])) == 0
    assert "over 2 runs of A and 2 of B" in capsys.readouterr().out


def test_a_name_with_a_comma_is_a_file_where_there_is_one(tmp_path: Path) -> None:
    a = saved(tmp_path, "a,b.json", steady(1))
    assert run(a, a) == 0


def test_json_to_stdout_leaves_the_tables_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path, "a.json", steady(1)), saved(tmp_path, "b.json", steady(2))
    assert run(a, b, "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == compare([steady(1)], [steady(2)])
    assert P50 in captured.err


@pytest.mark.parametrize("text", ["nothing", "{}", '{"schema": "port_worker.bench/0"}'])
def test_a_file_that_is_no_report_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    a = saved(tmp_path, "a.json", steady(1))
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    assert run(a, str(tmp_path / "b.json")) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("port-worker bench compare: ")
    assert "b.json: expected a report" in captured.err
    assert captured.out == ""


def test_a_file_that_is_not_there_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = saved(tmp_path, "a.json", steady(1))
    assert run(a, str(tmp_path / "b.json")) == 2
    assert "b.json" in capsys.readouterr().err


def test_what_differs_and_what_is_left_out_is_shown() -> None:
    other = report(steady(2)["scenarios"][0], kill())
    other["scenarios"][0]["options"]["mix"] = {"recommend": 0.9, "similar": 0.1}
    stream = io.StringIO()
    show(compare([steady(1)], [other]), stream)
    text = stream.getvalue()
    assert "differs: mix, A recommend=1.00, B recommend=0.90 similar=0.10" in text
    assert "only B has the scenario kill" in text
