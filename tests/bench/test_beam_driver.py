"""A plan of the bench, carried out by a real BEAM on a stub worker. CI installs Elixir before it runs this."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from port_worker.bench.beam.driver import ElixirDriver
from port_worker.bench.driving import pacing_of
from port_worker.bench.live import Live
from port_worker.bench.plan import Options, Plan, World
from port_worker.bench.stages import NEVER, NS, Stage
from tests.peers.stubs import ENVIRONMENT, stub_command

pytestmark = pytest.mark.skipif(shutil.which("elixirc") is None, reason="Elixir is not installed")
WORLD = World([f"user-{place}" for place in range(20)], ["item"])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elixir")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the workers need to find the packages."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])


def options(arrivals: str, in_flight: int | None = None) -> Options:
    return Options(
        rate=None if in_flight else 400.0,
        arrivals=arrivals,
        in_flight=in_flight,
        duration_s=0.5,
        warmup_s=0.1,
        workers=2,
        users="zipf:1.1",
        known_users=len(WORLD.users),
        cold=0.25,
        mix={"recommend": 1.0},
        n=3,
        deadline_ms=None,
        payload_bytes=(0,),
        seed=7,
        codec="etf",
    )


def due_within(plan: Plan, from_s: float, to_s: float) -> int:
    pacing, count = pacing_of(plan), 0
    while (due_ns := pacing.due_ns) < NEVER:
        count += from_s * NS <= due_ns < to_s * NS
        pacing.advance()
    return count


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_the_same_calls_are_due_as_from_python(cache: Path, arrivals: str) -> None:
    stages = (
        Stage("warm-up", 400.0, 0.1, measured=False),
        Stage("calm", 200.0, 0.2),
        Stage("burst", 800.0, 0.2),
    )
    plan = Plan(options(arrivals), WORLD, stages)
    measured = ElixirDriver(stub_command(), cache, Live()).drive(plan)
    assert [(phase.name, phase.scheduled_s) for phase in measured.phases] == [("calm", 0.2), ("burst", 0.2)]
    assert [phase.total.ok for phase in measured.phases] == [due_within(plan, 0.1, 0.3), due_within(plan, 0.3, 0.5)]
    sources = measured.phases[1].total.sources
    assert set(sources) == {"model", "popular"}


def test_a_closed_loop_is_one(cache: Path) -> None:
    plan = Plan(options("closed", in_flight=3), WORLD, (Stage("measured", None, 0.3),))
    driver = ElixirDriver(stub_command(delay_ms=1), cache, Live())
    [phase] = driver.drive(plan).phases
    assert phase.total.ok == phase.total.offered > 3
    assert sum(phase.total.uncorrected.values()) == phase.total.ok
    assert driver.beam is not None
