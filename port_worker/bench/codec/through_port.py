"""Echo through a real Erlang Port: messages a second with many in flight, and the time of one alone."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

from port_worker.bench.codec.cases import payloads_of_echo
from port_worker.bench.codec.echo import RAW
from port_worker.bench.codec.peers import ERLANG_PY, OURS

MANY, ALONE = 64, 1
"""In flight: as a busy node has them, and one after the other."""

_START_S = 30.0
NO_ERLANG = "there is no `escript` on the PATH, so there is no Port to send through"


class PortError(Exception):
    """An echo differed, died or was silent; the message says which."""


@dataclass(frozen=True)
class Flow:
    """What one peer did with so many in flight: medians over the rounds.

    `times` is its rate over erlang-py's in the same round, so that a machine that is busy for a while changes it less.
    """

    in_flight: int
    messages_per_s: float
    times: float
    p50_us: float


@dataclass(frozen=True)
class Round:
    """One line of the driver."""

    peer: str
    messages: int
    microseconds: int
    half_ns: int

    @property
    def messages_per_s(self) -> float:
        """Its rate."""
        return self.messages / (self.microseconds / 1e6)


def measure(seconds: float, rounds: int) -> dict[str, list[Flow]] | None:
    """By peer its flow with MANY and with one in flight; None where there is no Erlang. Raises PortError.

    One in flight is kept on one processor where that can be said, since the waking of another hides all else.
    """
    escript = shutil.which("escript")
    if escript is None:
        return None
    payload = dict(payloads_of_echo())
    peers = {RAW: payload[OURS], **payload}
    flows: dict[str, list[Flow]] = {peer: [] for peer in peers}
    for in_flight in (MANY, ALONE):
        found = _drive(escript, peers, seconds, rounds, in_flight)
        base = [one for one in found if one.peer == ERLANG_PY]
        for peer in peers:
            flows[peer].append(flow(in_flight, [one for one in found if one.peer == peer], base))
    return flows


def flow(in_flight: int, rounds: Sequence[Round], base: Sequence[Round]) -> Flow:
    """The medians of one peer's rounds; `base`: erlang-py's, as many."""
    return Flow(
        in_flight,
        statistics.median(one.messages_per_s for one in rounds),
        statistics.median(one.messages_per_s / other.messages_per_s for one, other in zip(rounds, base, strict=True)),
        statistics.median(one.half_ns / 1e3 for one in rounds),
    )


def _drive(escript: str, peers: dict[str, bytes], seconds: float, rounds: int, in_flight: int) -> list[Round]:
    named = [word for peer, payload in peers.items() for word in (peer, payload.hex())]
    numbers = [str(round(seconds * 1000)), str(rounds), str(in_flight)]
    limit_s = _START_S + 3 * seconds * rounds * len(peers)
    with as_file(files("port_worker.bench.codec") / "port.escript") as script:
        command = [escript, str(script), *numbers, sys.executable, *named]
        try:
            ran = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
                preexec_fn=_on_one_processor() if in_flight == ALONE else None,
            )
        except subprocess.TimeoutExpired:
            raise PortError(f"the Erlang that drives the Ports was not done after {limit_s:.0f} s") from None
    if ran.returncode:
        raise PortError((ran.stderr or ran.stdout).strip()[-300:] or f"escript ended with status {ran.returncode}")
    return [_round(line) for line in ran.stdout.splitlines()]


def _round(line: str) -> Round:
    peer, messages, microseconds, half_ns = line.split("\t")
    return Round(peer, int(messages), int(microseconds), int(half_ns))


def _on_one_processor() -> Callable[[], None] | None:
    """What a child does to stay on one processor; None where the system has no way."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    processor = min(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {processor})
