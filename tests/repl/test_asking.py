"""What the commands about items make of their words, and of what the worker answers."""

from __future__ import annotations

from typing import Any

import pytest

from port_worker.host import WorkerError
from port_worker.repl.errors import Failure
from port_worker.repl.execute import execute
from port_worker.repl.results import (
    Explanation,
    Fed,
    ItemScores,
    ManyRecommendations,
    Reason,
    Recommendations,
    ScoredItem,
    SimilarItems,
    Visibility,
)
from port_worker.repl.world import World
from protocol.atoms import Atom
from tests.repl.conftest import ADA, BO, CAVE, FOX, LAMP, Bench, FakeHost


def _sent(world: World, line: str) -> dict[str, Any]:
    host = FakeHost()
    assert execute(Bench(world, host).session, line).ok
    return host.calls[-1][1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("kinds=map,prop", {"kinds": ["map", "prop"]}),
        ("5 diversity=0.5", {"n": 5, "diversity": 0.5}),
        ("diversity=1 5", {"n": 5, "diversity": 1}),
        ("recent='wet cave,Neon Fox,never'", {"recent": [CAVE, FOX, "never"]}),
        (f"exclude={LAMP}", {"exclude": [LAMP]}),
        ("exclude=", {"exclude": []}),
        ("filter_consumed=false", {"filter_consumed": False}),
        ("features=interest:neon,level:3", {"features": {"interest": "neon", "level": 3}}),
        ("""features="a:'3',b:true,c:none,d:x:y" """, {"features": {"a": "3", "b": True, "c": "none", "d": "x:y"}}),
    ],
)
def test_options_of_recommend_reach_the_worker_in_its_types(
    world: World, options: str, expected: dict[str, object]
) -> None:
    assert _sent(world, f"recommend ada_reyes {options}") == {"user": ADA, **expected}


def test_the_first_word_may_have_any_characters(world: World) -> None:
    assert _sent(world, "recommend kinds=map") == {"user": "kinds=map"}
    assert _sent(world, "similar a=b metric=dot") == {"item": "a=b", "metric": Atom("dot")}
    assert _sent(world, "hide a=b") == {"items": ["a=b"]}


def test_a_metric_is_an_atom_as_the_protocol_wants_it(world: World) -> None:
    assert type(_sent(world, "similar 'Neon Fox' metric=dot")["metric"]) is Atom


def test_what_a_recommendation_says_of_itself_is_kept(world: World) -> None:
    host = FakeHost()
    said = {"source": "fold_in", "model": "v1", "exhausted": False, "scored": 1, "ignored": ["recent[1]"]}
    host.answers["recommend"] = {"items": [(FOX, 0.5), (CAVE, 0.0)], **said}
    result = execute(Bench(world, host).session, "recommend bo").result
    assert isinstance(result, Recommendations)
    assert (result.source, result.scored, result.ignored) == ("fold_in", 1, ["recent[1]"])


def test_similar_items(world: World) -> None:
    host = FakeHost()
    result = execute(Bench(world, host).session, "similar 'neon fox' 1 kinds=map").result
    assert isinstance(result, SimilarItems)
    assert host.calls[-1] == ("similar", {"item": FOX, "n": 1, "kinds": ["map"]})
    assert (result.item, result.name, result.metric, result.exhausted) == (FOX, "Neon Fox", "cosine", True)
    assert [(item.id, item.name) for item in result.items] == [(CAVE, "Wet Cave")]


def test_what_the_worker_refuses_is_said_in_its_words(world: World) -> None:
    host = FakeHost()
    details = {"field": "features", "supported_by": "TwoTower"}
    host.answers["recommend"] = WorkerError("unsupported_option", "features: ...", retryable=False, details=details)
    outcome = execute(Bench(world, host).session, "recommend nobody features=a:b")
    assert outcome.result == Failure("unsupported_option", "features: ...", False, details)


def test_scores_stand_in_the_order_of_the_items_and_one_may_be_unknown(world: World) -> None:
    result = execute(Bench(world, FakeHost()).session, "score ada_reyes 'Wet Cave' never 'Neon Fox'").result
    assert isinstance(result, ItemScores)
    assert (result.user, result.name, result.source) == (ADA, "Ada Reyes", "model")
    assert result.items == [
        ScoredItem(CAVE, 0.5, "Wet Cave", "map"),
        ScoredItem("never", None, None, None),
        ScoredItem(FOX, 0.75, "Neon Fox", "avatar"),
    ]


def test_an_explanation_names_the_users_own_items(world: World) -> None:
    host = FakeHost()
    result = execute(Bench(world, host).session, "explain ada_reyes 'Neon Fox' 3").result
    assert host.calls[-1] == ("explain", {"user": ADA, "item": FOX, "n": 3})
    assert isinstance(result, Explanation)
    assert (result.item, result.item_name, result.score, result.method) == (FOX, "Neon Fox", 0.75, "exact")
    assert result.items == [Reason(CAVE, 0.25, "Wet Cave", "map")]


def test_many_users_get_their_items_by_one_call(world: World) -> None:
    host = FakeHost()
    result = execute(Bench(world, host).session, "many ada_reyes stranger n=2 kinds=map").result
    assert host.ops_called == ["recommend_many"]
    assert host.calls[-1][1] == {"users": [ADA, "stranger"], "n": 2, "kinds": ["map"]}
    assert isinstance(result, ManyRecommendations)
    assert [(each.user, each.name, each.source) for each in result.users] == [
        (ADA, "Ada Reyes", "model"),
        ("stranger", None, "popular"),
    ]
    assert [[(item.name, item.score) for item in each.items] for each in result.users] == [
        [("Wet Cave", 0.75), ("Neon Fox", 0.5)],
        [("Neon Fox", 0.25)],
    ]


def test_many_may_take_a_sample_of_the_users(world: World) -> None:
    assert _sent(world, "many sample=2") == {"users": [ADA, BO]}


@pytest.mark.parametrize("ids", [("int64", (5).to_bytes(8, "little") + (7).to_bytes(8, "little")), ["m5", "m7"]])
def test_the_ids_of_many_come_back_as_they_are_in_the_data(world: World, ids: object) -> None:
    host = FakeHost()
    host.answers["recommend_many"] = {**host._recommend_many({"users": [1]}, None), "ids": ids}
    result = execute(Bench(world, host).session, "many ada_reyes").result
    assert isinstance(result, ManyRecommendations)
    assert [item.id for item in result.users[0].items] == ([7, 5] if isinstance(ids, tuple) else ["m7", "m5"])


def test_feedback_needs_no_model_and_says_what_became_of_it(world: World) -> None:
    host = FakeHost(model=None)
    result = execute(Bench(world, host).session, "feedback stranger 'Neon Fox' -2").result
    assert host.calls == [("feedback", {"user": "stranger", "item": FOX, "weight": -2})]
    assert result == Fed("stranger", None, FOX, "Neon Fox", -2, 1, 1, 0, 7)


@pytest.mark.parametrize(("command", "op", "shown"), [("hide", "hide_items", False), ("show", "show_items", True)])
def test_items_are_hidden_and_shown_again(world: World, command: str, op: str, shown: bool) -> None:
    host = FakeHost(model=None)
    result = execute(Bench(world, host).session, f"{command} 'Neon Fox' never").result
    assert host.calls == [(op, {"items": [FOX, "never"]})]
    assert isinstance(result, Visibility)
    assert (result.shown, result.changed) == (shown, 2)
    assert [(item.id, item.name) for item in result.items] == [(FOX, "Neon Fox"), ("never", None)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "retrain als+deepfm n_epochs=1 retriever.embed_size=8 candidates=200",
            {
                "retriever": "ALS",
                "ranker": "DeepFM",
                "params": {"n_epochs": 1},
                "retriever_params": {"embed_size": 8},
                "candidates": 200,
            },
        ),
        ("retrain BPR+DIN", {"retriever": "BPR", "ranker": "DIN", "params": {}, "retriever_params": {}}),
        ("retrain als candidates=200", {"algorithm": "ALS", "params": {"candidates": 200}}),
        (
            "retrain bpr n_epochs=3 activate=force mode=warm epochs=5 seed=7 budget_s=1.5 source=2026",
            {
                "algorithm": "BPR",
                "params": {"n_epochs": 3},
                "activate": Atom("force"),
                "mode": Atom("warm"),
                "epochs": 5,
                "seed": 7,
                "budget_s": 1.5,
                "source": "2026",
            },
        ),
        (
            "retrain als+deepfm seed=7 retriever.seed=8",
            {"retriever": "ALS", "ranker": "DeepFM", "params": {}, "retriever_params": {"seed": 8}, "seed": 7},
        ),
        ("retrain a+b", {"retriever": "a", "ranker": "b", "params": {}, "retriever_params": {}}),
    ],
)
def test_two_stages_are_written_with_a_plus(world: World, line: str, expected: dict[str, object]) -> None:
    assert _sent(world, line) == expected


def test_two_stages_may_be_what_the_session_trains(world: World) -> None:
    host = FakeHost(model="ALS")
    session = Bench(world, host, algorithm="ALS+DeepFM").session
    assert execute(session, "recommend ada_reyes").ok
    assert execute(session, "recommend ada_reyes").ok
    assert host.ops_called == ["retrain", "recommend", "recommend"]
