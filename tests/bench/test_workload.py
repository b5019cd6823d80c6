"""What is asked for, and about whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pytest

from port_worker.bench.users import Users
from port_worker.bench.wire import CallWriter
from port_worker.bench.workload import BATCH_USERS, Workload
from protocol.codec import CODECS, codec
from protocol.messages import Call, parse_inbound

KNOWN: list[int | str] = ["ada", "bob", 3]


def users(known: Sequence[int | str] = KNOWN, exponent: float = 0.0, cold: float = 0.0, seed: int = 7) -> Users:
    return Users(known, exponent=exponent, cold=cold, seed=seed)


def first(
    count: int,
    *,
    mix: Mapping[str, float] | None = None,
    sizes: Sequence[int] = (0,),
    codec_name: str = "etf",
    **who: Any,
) -> list[tuple[str, Call]]:
    seed = who.get("seed", 7)
    writer = CallWriter(codec(codec_name))
    workload = Workload(
        writer, users(**who), ["m1", "m2"], mix=mix or {"recommend": 1.0}, n=5, payload_bytes=sizes, seed=seed
    )
    found = []
    for name, prepared in islice(workload, count):
        call = parse_inbound(prepared.payload(1), codec(codec_name))
        assert isinstance(call, Call)
        found.append((name, call))
    return found


def test_the_same_seed_asks_the_same() -> None:
    asked = [first(50, cold=0.5, mix={"recommend": 1, "similar": 1}, seed=seed) for seed in (7, 7, 8)]
    assert asked[0] == asked[1] != asked[2]


def test_known_users_all_come() -> None:
    asked = [call.args for _, call in first(100)]
    assert {args["user"] for args in asked} == {b"ada", b"bob", 3}
    assert {args["n"] for args in asked} == {5}


def test_strangers_have_their_share_and_are_all_different() -> None:
    strangers = [
        call.args["user"] for _, call in first(1000, cold=0.25) if call.args["user"] not in (b"ada", b"bob", 3)
    ]
    assert 200 < len(strangers) < 300
    assert len(set(strangers)) == len(strangers)


def test_zipf_asks_about_the_first_most_often() -> None:
    """With an exponent of 1, the second is asked about half as often as the first, the tenth a tenth as often."""
    chooser = users(list(range(100)), exponent=1.0)
    counts = Counter(chooser.next()[0] for _ in range(50_000))
    assert counts[1] / counts[0] == pytest.approx(1 / 2, abs=0.05)
    assert counts[9] / counts[0] == pytest.approx(1 / 10, abs=0.03)
    assert set(counts) == set(range(100))


def test_uniform_asks_about_all_alike() -> None:
    chooser = users(list(range(10)))
    counts = Counter(chooser.next()[0] for _ in range(50_000))
    assert all(count == pytest.approx(5000, rel=0.1) for count in counts.values())


def test_a_mix_has_its_shares_and_each_operation_its_arguments() -> None:
    asked = first(2000, mix={"recommend": 0.7, "similar": 0.1, "score": 0.1, "batch": 0.1})
    counts = Counter(name for name, _ in asked)
    assert counts["recommend"] == pytest.approx(1400, rel=0.1)
    assert all(counts[name] == pytest.approx(200, rel=0.3) for name in ("similar", "score", "batch"))
    seen = dict(asked)
    assert {name: call.op for name, call in seen.items()} == {
        "recommend": "recommend",
        "similar": "similar",
        "score": "score",
        "batch": "recommend_many",
    }
    assert seen["similar"].args["item"] in (b"m1", b"m2")
    assert len(seen["score"].args["items"]) == 5
    assert len(seen["batch"].args["users"]) == BATCH_USERS


@pytest.mark.parametrize("codec_name", CODECS)
def test_payloads_are_about_as_large_as_asked_for(codec_name: str) -> None:
    asked = [call for _, call in first(300, sizes=(0, 1024, 16_384), codec_name=codec_name)]
    sizes = Counter(sum(len(one) + 5 for one in call.args.get("exclude", ())) for call in asked)
    assert sorted(sizes) == [0, pytest.approx(1024, rel=0.05), pytest.approx(16_384, rel=0.05)]
    assert all(count > 60 for count in sizes.values())
