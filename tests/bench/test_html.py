"""The page of a report: whole, by itself, and with the figures in it. How it looks, `tests.bench.look` shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from port_worker.bench.figures import milliseconds
from port_worker.bench.html import charts, write
from port_worker.bench.html.page import page
from port_worker.bench.html.scales import linear, logarithmic, percentiles, span
from port_worker.bench.html.svg import NARROW, Chart, Line, drawn
from tests.bench.reports import BUILDERS, Play, burst, kill, ramp, report, retrain, scenario, slow_reader, soak, stalled

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = "</style><script>alert(1)</script>\"'&<b>"


class Tree(HTMLParser):
    """Every element closed by its own tag, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def parsed(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    return tree


@pytest.mark.parametrize("name", BUILDERS)
def test_a_page_is_well_formed_and_stands_alone(name: str) -> None:
    text = page(report(BUILDERS[name]()))
    tree = parsed(text)
    tags = {tag for tag, _ in tree.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    attributes = [(name, value or "") for _, attrs in tree.tags for name, value in attrs.items()]
    assert all(value.startswith("#") for name, value in attributes if name in ("href", "src", "action", "xlink:href"))
    assert not [name for name, _ in attributes if name.startswith("on") or name == "style"]
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert text.startswith("<!doctype html>")


@pytest.mark.parametrize("name", BUILDERS)
def test_no_place_of_a_drawing_is_no_number(name: str) -> None:
    text = page(report(BUILDERS[name]()))
    assert not re.search(r"\b(nan|NaN|inf|None|Infinity)\b", text.partition("</style>")[2])
    for path in re.findall(r' d="([^"]*)"', text):
        assert re.fullmatch(r"[MLVHZ0-9., -]+", path), path


def test_all_that_others_wrote_is_escaped() -> None:
    found = scenario("steady", Play(seconds=3, fails=lambda at: HOSTILE if at > 2 else None))
    found["marks"] = [{"at_s": 1.0, "text": HOSTILE}]
    found["goals"] = [{"text": HOSTILE, "observed": HOSTILE, "met": False}]
    found["findings"] = {HOSTILE: HOSTILE, "steps": [{HOSTILE: HOSTILE}]}
    found["phases"][0]["name"] = HOSTILE
    found["options"]["users"] = HOSTILE
    found["driver_load"] |= {"limited": True, "why": HOSTILE}
    text = page(
        report(found, command=["bin/bench", HOSTILE], worker={"version": HOSTILE, "python": None, "model": None})
    )
    tree = parsed(text)
    assert not {"script", "b"} & {tag for tag, _ in tree.tags}
    assert "<script" not in text
    assert "".join(tree.text).count("alert(1)") >= 9


def test_a_surrogate_does_not_keep_a_page_from_being_written(tmp_path: Path) -> None:
    found = scenario("steady", Play(seconds=2), marks=[{"at_s": 1.0, "text": "\ud800 odd"}])
    write(report(found), tmp_path / "page.html")
    assert "? odd" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_figures_and_the_verdict_are_there() -> None:
    found = report(stalled())
    tree = parsed(page(found))
    text = " ".join(tree.text)
    total = found["scenarios"][0]["total"]
    for name in ("p50", "p99", "p999", "max"):
        assert milliseconds(total["latency_ms"][name]) in text
        assert milliseconds(total["uncorrected_ms"][name]) in text
    assert "✗ breached" in text
    assert "stall of 1.4 s" in text
    assert "worker 0.1.0 on Python 3.11.7" in text
    assert "bin/bench --rate 200 --slo 'p99<500ms'" in text


def test_every_drawing_has_a_name_and_every_kind_of_size() -> None:
    tree = parsed(page(report(stalled())))
    drawings = [attrs for tag, attrs in tree.tags if tag == "svg" and attrs.get("aria-hidden") != "true"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] and attrs["viewbox"] for attrs in drawings)
    assert [attrs["class"] for attrs in drawings] == [*("wide", "narrow") * 2, *("narrow",) * 3]


def test_breached_comes_before_met() -> None:
    text = " ".join(parsed(page(report(kill(), retrain()))).text)
    assert text.index("2.31 times") < text.index("no call hangs")


def test_a_suite_has_a_table_that_leads_to_its_scenarios() -> None:
    tree = parsed(page(report(kill(), burst())))
    links = [attrs["href"] for tag, attrs in tree.tags if tag == "a"]
    assert links == ["#scenario-1", "#scenario-2"]
    assert [attrs["id"] for tag, attrs in tree.tags if "id" in attrs] == ["scenario-1", "scenario-2"]


def test_a_driver_that_was_the_limit_is_seen() -> None:
    assert any(attrs.get("class") == "warning" for _, attrs in parsed(page(report(slow_reader()))).tags)


def labels(found: list[Chart]) -> dict[str, list[str]]:
    return {chart.title: [line.label for line in chart.lines] for chart in found}


def test_phases_are_beside_each_other_on_the_axis_of_percentiles() -> None:
    found = retrain()
    by_percentile = labels(list(charts.large(report(found), found)))["Latency by percentile"]
    assert by_percentile == [
        f"{phase}, {kind}" for phase in ("before", "during", "after") for kind in ("corrected", "uncorrected")
    ]


def test_phases_of_one_name_are_one_curve() -> None:
    found = burst()
    found["phases"][2]["name"] = "calm"
    (by_percentile, _) = charts.large(report(found), found)
    assert [line.label for line in by_percentile.lines if not line.dashed] == ["calm, corrected", "burst, corrected"]


def test_a_ramp_is_drawn_by_its_rates_with_the_knee() -> None:
    found = ramp()
    by_rate, by_percentile, over_time = charts.large(report(found), found)
    assert by_rate.named == (800.0, "knee 800/s")
    assert [round(x) for x, _ in by_rate.lines[0].points] == [round(one["rate_offered"]) for one in found["phases"]]
    assert not any(line.dashed for line in by_percentile.lines)
    assert list(over_time.marks) == [0.0, 5.0, 10.0, 15.0]


def test_of_many_steps_as_many_curves_as_can_be_told_apart() -> None:
    found = ramp()
    found["phases"] = [found["phases"][0] | {"name": f"step {place}"} for place in range(20)]
    (_, by_percentile, _) = charts.large(report(found), found)
    names = [line.label for line in by_percentile.lines]
    assert len(names) == 7
    assert (names[0], names[-1]) == ("step 0, corrected", "step 19, corrected")


def test_bounds_are_those_of_the_scenario_that_are_near_enough() -> None:
    found = stalled()
    slo = [
        {"scenario": name, "expression": expression, "observed": 1.0, "met": True}
        for name, expression in (
            *(("steady", "p99<500ms"), ("kill", "p99<5ms"), ("steady", "max<1000s"), ("steady", "p50>1ms")),
            *(("steady", "errors<5%"), ("steady", "p99.9<20ms"), ("steady", "unheard of")),
        )
    ]
    by_percentile, over_time = charts.large(report(found, slo=slo), found)
    assert [(bound.label, bound.y) for bound in by_percentile.bounds] == [("p99<500ms", 500.0), ("p99.9<20ms", 20.0)]
    assert [round(bound.until or 0.0, 6) for bound in by_percentile.bounds] == [2.0, 3.0]
    assert [bound.label for bound in over_time.bounds] == ["p99<500ms"]


def test_a_long_run_keeps_its_worst_second_in_fewer_points() -> None:
    found = soak()
    series = found["series"]
    seconds = 3000
    for name, values in series.items():
        if isinstance(values, list):
            series[name] = [values[place % len(values)] for place in range(seconds)]
    series["at_s"] = [float(place) for place in range(seconds)]
    series["max_ms"][1234] = 987.0
    (_, over_time) = charts.large(report(found), found)
    points = over_time.lines[0].points
    assert len(points) == 300
    assert max(y for _, y in points if y is not None) == 987.0


def path_of(points: list[tuple[float, float | None]]) -> str:
    chart = Chart("t", span(0, 10), linear(10), "x", "y", [Line("l", points, 1)])
    (path,) = drawn(chart, NARROW).iter("path")
    return path.attrib["d"]


def test_a_gap_is_left_open_and_a_value_alone_is_a_dot() -> None:
    path = path_of([(0, 1.0), (1, 2.0), (2, None), (3, 4.0), (4, None)])
    assert path.count("M") == 2
    first, second = re.findall(r"M([^M]+)", path)
    assert first.count("L") == 1
    start, end = second.strip().split(" L")
    assert start == end


def test_numbers_of_marks_do_not_cover_each_other() -> None:
    marks = [50.0, *(50 + place / 2 for place in range(1, 7)), 90.0]
    drawing = drawn(Chart("t", span(0, 100), linear(10), "x", "y", [], marks=marks), NARROW)
    flags = [one for one in drawing.iter("text") if "flag" in one.attrib.get("class", "")]
    places = [float(one.attrib["x"]) for one in flags]
    assert [one.text for one in flags] == ["1", "2", "3", "8"]
    assert min(b - a for a, b in pairwise(places)) >= 18
    lines = [float(one.attrib["x1"]) for one in drawing.iter("line") if one.attrib["class"] == "mark"]
    assert len(lines) == 8
    assert [place - lines[int(one.text or 0) - 1] < 40 for place, one in zip(places, flags, strict=True)] == [True] * 4


@pytest.mark.parametrize("most", [0.0, 0.003, 1.0, 7.0, 43.0, 100.0, 9_999.0, 1e9])
def test_a_linear_axis_ends_above_what_is_on_it(most: float) -> None:
    scale = linear(most)
    assert scale.most >= most
    assert 2 <= len(scale.ticks) <= 7
    assert 0.0 <= scale.at(most) <= 1.0


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [5.0, 5.0], [0.034, 1403.0], [0.001, 3.6e6], [99.0, 101.0]])
def test_a_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    scale = logarithmic(values)
    assert 0 < scale.least < scale.most
    assert all(scale.least <= value <= scale.most for value in values if value > 0)
    assert 2 <= len(scale.ticks) <= 12
    assert (scale.at(scale.least), scale.at(scale.most)) == (0.0, 1.0)


def test_an_axis_of_nines_is_marked_up_to_its_end() -> None:
    assert [name for _, name in percentiles(3.4).ticks] == ["0%", "90%", "99%", "99.9%"]
    assert span(0.0, 0.0).most == 1.0


def test_nothing_at_all_makes_a_page_without_drawings() -> None:
    found: dict[str, Any] = scenario("boot", Play(seconds=0))
    assert not [tag for tag, _ in parsed(page(report(found, slo=[]))).tags if tag == "svg"]
