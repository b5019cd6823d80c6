"""Every scenario once, on a real worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from port_worker.bench import cli, prepare
from port_worker.bench.fleet import Link
from protocol.codec import ETF
from tests.bench.programs import Bench, LightBench
from tests.peers.stubs import ENVIRONMENT


def met(scenario: dict[str, Any]) -> dict[str, bool | None]:
    return {goal["text"]: goal["met"] for goal in scenario["goals"]}


def test_steady_with_every_operation(light_bench: LightBench) -> None:
    words = (
        "--mix",
        "recommend=4,similar=2,score=2,batch=2",
        "--payload",
        "0,2k",
        "--cold",
        "20%",
        "--slo",
        "errors<=0",
    )
    status, scenario = light_bench.scenario(*words, "--users", "zipf:1.1", "--workers", "2")
    assert status == cli.MET
    assert scenario["by_op"].keys() == {"recommend", "similar", "score", "batch"}
    assert scenario["total"]["answers_by_source"].keys() >= {"model", "popular"}
    assert all(worker["batches"] > 0 for worker in scenario["workers"])
    assert all(worker["service_ms_mean"] > 0 for worker in scenario["workers"])


def test_msgpack(light_bench: LightBench) -> None:
    status, scenario = light_bench.scenario("--codec", "msgpack", "--payload", "1k", "--slo", "errors<=0")
    assert status == cli.MET
    assert scenario["total"]["answers_by_source"] == {"model": 100}


def test_ramp(light_bench: LightBench) -> None:
    """With an objective that nobody meets it goes down, and says that there is no knee."""
    words = ("--scenario", "ramp", "--duration", "0.2", "--rate", "4", "--precision", "100%")
    status, report = light_bench.report(*words, "--slo", "p99<1us")
    (scenario,) = report["scenarios"]
    assert status == cli.BREACHED
    assert scenario["findings"]["knee_rate"] is None
    rates = [step["rate"] for step in scenario["findings"]["steps"]]
    assert rates == sorted([*rates[::2]] * 2, reverse=True), "each twice, since each breaches"
    assert len(scenario["phases"]) == len(scenario["findings"]["steps"]) == len(rates)
    assert report["slo"][0]["met"] is False


def test_burst(light_bench: LightBench) -> None:
    _status, scenario = light_bench.scenario("--scenario", "burst", "--duration", "4", "--times", "3")
    assert {phase["name"]: phase["offered"] for phase in scenario["phases"]} == {
        "calm": 100,
        "burst": 300,
        "after": 200,
    }
    assert scenario["findings"]["recovered_s"] is not None
    assert met(scenario)["no errors"]


def test_retrain(light_bench: LightBench) -> None:
    _status, scenario = light_bench.scenario("--scenario", "retrain", "--retrain", "ALS", "--activate", "force")
    assert scenario["findings"]["error"] is None
    assert scenario["findings"]["result"]["activated"] is True
    assert met(scenario)["no errors"]


def test_kill(light_bench: LightBench) -> None:
    words = ("--scenario", "kill", "--duration", "3", "--count", "2", "--workers", "1")
    _status, scenario = light_bench.scenario(*words)
    kills = scenario["findings"]["kills"]
    total = scenario["total"]
    assert len(kills) == 2
    assert all(kill["recovered_ms"] > 0 for kill in kills)
    assert met(scenario)["no call is left hanging"]
    assert total["ok"] + total["errors"] == total["offered"] == 300
    assert set(total["errors_by_code"]) <= {"not_sent", "worker_gone"}


def test_kill_of_a_worker_that_does_not_start_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls fail, the run ends, and the goal is breached."""
    monkeypatch.setattr(prepare, "_spawner", lambda *_args: lambda: Link.spawn(["false"]))
    status, scenario = bench.scenario("--scenario", "kill", "--count", "1")
    assert status == cli.BREACHED
    assert scenario["findings"]["kills"][0]["recovered_ms"] is None
    assert not all(met(scenario).values())


def test_slow_reader(light_bench: LightBench) -> None:
    words = ("--scenario", "slow-reader", "--duration", "0.4", "--pause", "0.6", "--n", "50", "--rate", "300")
    status, scenario = light_bench.scenario(*words)
    assert status == cli.MET
    assert [mark["text"] for mark in scenario["marks"]] == ["stopped reading", "reading again"]
    paused = scenario["phases"][1]
    assert paused["name"] == "not reading"
    assert paused["ok"] == paused["sent"]
    assert paused["latency_ms"]["max"] >= 500
    assert scenario["findings"]["rss_growth_bytes"] < 64e6


def test_slow_reader_for_longer_than_the_worker_bears(light_bench: LightBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as the protocol says it does, which is no breach."""
    monkeypatch.setenv("PORT_WORKER_WRITE_STALL_SECONDS", "0.5")
    words = ("--scenario", "slow-reader", "--duration", "0.4", "--pause", "3", "--n", "50", "--rate", "300")
    status, scenario = light_bench.scenario(*words)
    assert scenario["findings"]["ended_with"] == [0]
    assert status == cli.MET
    assert scenario["total"]["ok"] + scenario["total"]["errors"] == scenario["total"]["offered"]


@pytest.mark.parametrize("codec", ["etf", "msgpack"])
def test_garbage(light_bench: LightBench, codec: str) -> None:
    status, scenario = light_bench.scenario("--scenario", "garbage", "--garbage", "50%", "--codec", codec)
    assert status == cli.MET
    assert scenario["findings"]["malformed"] >= 50
    assert scenario["findings"]["wrong"] == {}
    assert all(met(scenario).values())


def test_garbage_that_is_not_refused_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub answers any op, whatever its arguments, and takes what is no call for one."""
    from port_worker.bench.scenarios import garbage, malformed

    lenient = [kind for kind in malformed.kinds(ETF) if kind.name == "no user"]
    monkeypatch.setattr(garbage, "kinds", lambda _codec: lenient)
    status, scenario = bench.scenario("--scenario", "garbage", "--garbage", "10%")
    assert status == cli.BREACHED
    assert scenario["findings"]["wrong"] == {
        "no user: expected missing_argument, got ok": scenario["findings"]["malformed"]
    }


def test_soak(light_bench: LightBench) -> None:
    _status, scenario = light_bench.scenario("--scenario", "soak", "--duration", "3")
    assert isinstance(scenario["findings"]["rss_slope_bytes_per_hour"], float)
    assert list(met(scenario).values()) == [None]


def test_boot(light_bench: LightBench) -> None:
    _status, scenario = light_bench.scenario("--scenario", "boot", "--count", "2")
    found = scenario["findings"]
    assert found["spawns"] == 2
    assert found["hello_ms"]["count"] == found["first_answer_ms"]["count"] == 2
    assert found["hello_ms"]["max"] < found["first_answer_ms"]["max"] == scenario["total"]["latency_ms"]["max"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_bench_and_its_workers(light_bench: LightBench, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "port_worker", "bench", "--home", str(light_bench.folder), "--duration", "60"]
    running = subprocess.Popen(
        [*command, "--warmup", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr is not None
    while "calls a second" not in running.stderr.readline():
        pass
    running.send_signal(number)
    _shown, said = running.communicate(timeout=30)
    assert running.returncode == cli.INTERRUPTED
    assert "port-worker bench: interrupted" in said
    assert str(light_bench.folder) not in processes()


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_nothing_is_left_running(light_bench: LightBench) -> None:
    """The workers that were killed, and those that came in their place, are gone with the bench."""
    light_bench.run("--scenario", "kill", "--duration", "1", "--count", "1")
    assert str(light_bench.folder) not in processes()
