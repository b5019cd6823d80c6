"""Files for HdrHistogram's plotter, read by what its own readers look for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from port_worker.bench.distribution import curve, decoded, nines
from port_worker.bench.hgrm import distribution, write
from tests.bench.reports import boot, recorded, report, retrain, stalled

_ROW = re.compile(r"\s*([\d.]+)\s+([01]\.\d{12})\s+(\d+)(?:\s+([\d.]+))?")


def rows(text: str) -> list[tuple[float, float, int]]:
    found = [_ROW.fullmatch(line) for line in text.splitlines()[2:] if line and not line.startswith("#")]
    return [(float(one[1]), float(one[2]), int(one[3])) for one in found if one is not None]


def test_a_distribution_has_its_percentiles_and_its_footer() -> None:
    draw = np.random.default_rng(3)
    milliseconds = draw.lognormal(1.0, 0.7, 20_000)
    text = distribution(recorded(milliseconds.tolist()))
    lines = text.splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    found = rows(text)
    assert len(found) == len([line for line in lines[2:] if not line.startswith("#")])
    assert found[-1][1:] == (1.0, 20_000)
    for value, share, _ in found:
        if 0 < share < 0.999:
            assert value == pytest.approx(float(np.quantile(milliseconds, share)), rel=0.01)
    footer = re.findall(r"= +([\d.]+)", "\n".join(lines[-3:]))
    assert [float(value) for value in footer[:3]] == pytest.approx(
        [milliseconds.mean(), milliseconds.std(), milliseconds.max()], rel=0.01
    )
    assert footer[3:] == ["20000", "22", "2048"]
    assert lines[-3].startswith("#[Mean    =")


def test_one_scenario_goes_to_the_path_itself(tmp_path: Path) -> None:
    paths = write(report(stalled()), tmp_path / "out.hgrm")
    assert [path.name for path in paths] == ["out.hgrm", "out-uncorrected.hgrm"]
    corrected, uncorrected = (rows(path.read_text(encoding="ascii")) for path in paths)
    assert corrected[-1][2] == uncorrected[-1][2] == 12_091
    at = [next(value for value, share, _ in found if share >= 0.99) for found in (corrected, uncorrected)]
    assert at[0] > 1000
    assert at[1] < 20


def test_several_scenarios_and_phases_have_files_of_their_own(tmp_path: Path) -> None:
    found = report(retrain(), boot())
    found["scenarios"][0]["phases"][1]["name"] = "../During 400/s"
    (tmp_path / "out.hgrm").touch()  # as a run does that looks first whether it can write there
    paths = write(found, str(tmp_path / "out.hgrm"))
    assert [path.name for path in paths] == [
        "out-retrain.hgrm",
        "out-retrain-uncorrected.hgrm",
        "out-retrain-1-before.hgrm",
        "out-retrain-2-during-400-s.hgrm",
        "out-retrain-3-after.hgrm",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize("text", [None, "", recorded([]).encode().decode()])
def test_nothing_recorded_is_no_histogram(text: str | None) -> None:
    assert decoded(text) is None


@pytest.mark.parametrize("text", ["x", "aGVsbG8=", "ä", "SElTVEZBQUE=", recorded([1.0]).encode().decode()[:-8]])
def test_what_is_no_histogram_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="expected an HdrHistogram"):
        decoded(text)


def test_a_curve_ends_at_the_largest() -> None:
    points = curve(recorded([1.0, 2.0, 500.0]))
    assert points[-1][0] == 1.0
    assert points[-1][1] == pytest.approx(500.0, rel=1e-3)
    assert [share for share, _ in points] == sorted(share for share, _ in points)


def test_nines_are_equal_steps() -> None:
    assert [round(nines(share, 9.0), 6) for share in (0.0, 0.9, 0.99, 0.999, 1.0)] == [0, 1, 2, 3, 9]


def test_another_file_at_the_path_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.hgrm").write_text("mine", encoding="ascii")
    write(report(boot()), tmp_path / "out.hgrm")
    assert (tmp_path / "out.hgrm").read_text(encoding="ascii") == "mine"
