from __future__ import annotations

import io
import json

import pytest

from port_worker.repl.errors import Failure
from port_worker.repl.execute import COMMANDS, Outcome, execute
from port_worker.repl.progress import standing
from port_worker.repl.render import show_json, show_tables
from port_worker.repl.results import Models, Status, Switched, Trained
from port_worker.repl.tables import duration, moment, size, write
from port_worker.repl.world import World
from tests.repl.conftest import ADA, BO, CAVE, FOX, Bench, FakeHost


def _shown(world: World, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    show_tables(execute(Bench(world, FakeHost()).session, line))
    return capsys.readouterr().out


def _object(world: World, line: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    show_json(execute(Bench(world, FakeHost()).session, line))
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    found: dict[str, object] = json.loads(output)
    return found


def test_a_recommendation_is_a_table_that_cuts_no_id(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _title, header, _rule, first, second = _shown(world, "recommend ada_reyes", capsys).split("\n")[:5]
    assert header.split() == ["rank", "name", "kind", "score", "id"]
    assert first.split() == ["1", "Neon", "Fox", "avatar", "0.7500", FOX]
    assert first == first.rstrip()
    assert second.index("Wet Cave") == first.index("Neon Fox")
    assert second.index(CAVE) == first.index(FOX)


def test_popular_items_for_a_stranger_are_called_that(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    output = _shown(world, "recommend stranger", capsys)
    assert "popular items: the model knows nothing of stranger" in output
    assert "exhausted" in output


def test_names_are_shown_as_they_are_and_move_no_cursor(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert "for Bo [red]Lind (" in _shown(world, "recommend bo", capsys)
    show_tables(Outcome("x", Failure("internal", "a\x1b[31mb\nc")))
    assert capsys.readouterr().err == "error[internal]: a\N{REPLACEMENT CHARACTER}[31mb c\n"


def test_a_profile_shows_what_was_met_newest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(world, "user ada_reyes", capsys).split("\n")
    assert "2026-01-01 00:01" in lines[3]
    assert "favourite" in lines[3]
    assert "Wet Cave" in lines[4]


_WORDS = {
    "activate": "v1",
    **dict.fromkeys(("recommend", "many", "user"), "ada_reyes"),
    **dict.fromkeys(("score", "explain", "feedback"), "ada_reyes 'Neon Fox'"),
    **dict.fromkeys(("similar", "hide", "show"), "'Neon Fox'"),
}


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"raw", "quit", "models"}))
def test_every_command_has_a_table_and_an_object(world: World, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{name} {_WORDS.get(name, '')}".strip()
    assert _shown(world, line, capsys).strip()
    shown = _object(world, line, capsys)
    assert shown["command"] == line
    assert shown["ok"] is True


def test_the_object_of_a_recommendation(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _object(world, "recommend ada_reyes 2", capsys) == {
        "command": "recommend ada_reyes 2",
        "ok": True,
        "user": ADA,
        "name": "Ada Reyes",
        "source": "model",
        "model": "v1",
        "exhausted": False,
        "scored": 2,
        "ignored": [],
        "items": [
            {"id": FOX, "score": 0.75, "name": "Neon Fox", "kind": "avatar"},
            {"id": CAVE, "score": 0.5, "name": "Wet Cave", "kind": "map"},
        ],
    }


def test_what_the_model_did_not_rank_or_know_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost()
    ranked = {"items": [(FOX, 0.5), (CAVE, 0.0)], "source": "features", "model": "v1", "exhausted": False}
    host.answers["recommend"] = {**ranked, "scored": 1, "ignored": ["recent[3]", "features.language"]}
    show_tables(execute(Bench(world, host).session, "recommend stranger"))
    output = capsys.readouterr().out
    assert output.startswith("for stranger, by their features\n")
    assert "model v1; source features\n" in output
    assert "the model ranked the first of these; popular items follow" in output
    assert "ignored, since the model does not know it: recent[3], features.language" in output


def test_many_users_are_a_line_each(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _title, header, _rule, first, second = _shown(world, "many ada_reyes stranger", capsys).split("\n")[:5]
    assert header.split() == ["name", "id", "source", "found", "first", "items"]
    assert first.split() == ["Ada", "Reyes", ADA, "model", "2", "Wet", "Cave,", "Neon", "Fox"]
    assert second.split() == ["-", "stranger", "popular", "1", "Neon", "Fox"]


def test_scores_and_reasons_are_tables_with_names(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(world, "score ada_reyes 'Wet Cave' never", capsys).split("\n")
    assert lines[0] == f"what these are worth to Ada Reyes ({ADA})"
    assert lines[3].split() == ["Wet", "Cave", "map", "0.5000", CAVE]
    assert lines[4].split() == ["-", "-", "unknown", "never"]
    output = _shown(world, "explain ada_reyes 'Neon Fox'", capsys)
    assert f"why Neon Fox ({FOX}) for Ada Reyes ({ADA})\n" in output
    assert ["Wet", "Cave", "map", "0.2500", CAVE] in [line.split() for line in output.splitlines()]
    assert "score 0.7500; exact" in output
    assert "nothing speaks for Neon Fox" in _shown(world, "explain stranger 'Neon Fox'", capsys)


def test_what_was_told_is_confirmed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    output = _shown(world, "feedback stranger 'Neon Fox' 2.5", capsys)
    assert f"kept: stranger met Neon Fox ({FOX}), weight 2.5; 7 interactions kept" in output
    assert "the model does not know stranger" in output
    assert "hidden: 1 item, 1 of them unknown to the model; 4 are hidden now" in _shown(world, f"hide {FOX}", capsys)
    assert "shown again: 2 items; 3 are hidden now" in _shown(world, f"show {FOX} {CAVE}", capsys)


def test_the_help_of_one_command_lists_its_options(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _object(world, "help similar", capsys)
    assert shown["commands"] == [{"usage": "similar ITEM [N] [OPTION=VALUE ...]", "summary": "items near an item"}]
    options = shown["options"]
    assert isinstance(options, list)
    assert [each["usage"] for each in options] == ["metric=dot", "kinds=KIND,...", "exclude=ITEM,..."]
    assert "diversity=D" in _shown(world, "help recommend", capsys)
    assert "diversity=D" not in _shown(world, "help", capsys)


def test_algorithms_tell_their_kind_and_what_makes_a_pair(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _object(world, "algorithms", capsys)
    lines = shown["algorithms"]
    assert isinstance(lines, list)
    told = {line["name"]: (line["kind"], line["features"], line["extra"]) for line in lines}
    assert told["ALS"] == ("embedding", [], "train")
    assert told["TwoTower"] == ("embedding", ["user", "item"], "train")
    assert told["LightGCN"] == ("embedding", [], "graph")
    assert told["ItemCF"] == ("neighbourhood", [], "train")
    modes = {line["name"]: line["modes"] for line in lines}
    assert modes["BPR"] == ["full", "incremental", "warm"]
    assert (modes["ALS"], modes["ItemCF"]) == (["full", "warm"], ["full"])
    assert shown["retrievers"] == [name for name, (kind, *_) in told.items() if kind == "embedding"]
    assert shown["rankers"] == [name for name, (kind, *_) in told.items() if kind == "network"]
    assert "DeepFM" in [name for name, (kind, *_) in told.items() if kind == "network"]
    assert "are a pair of two stages: `retrain ALS+" in _shown(world, "algorithms", capsys)
    assert "TwoTower (embedding; learns from features of user and item)" in _shown(world, "algorithms twotower", capsys)


def test_the_object_of_a_failure(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _object(world, "user nobody", capsys)
    assert (shown["command"], shown["ok"]) == ("user nobody", False)
    error = shown["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["retryable"], error["details"]) == ("unknown_user", False, {"user": "nobody"})


def test_users_are_listed_by_activity(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _object(world, "users", capsys)["users"] == [
        {"id": ADA, "name": "Ada Reyes"},
        {"id": BO, "name": "Bo [red]Lind"},
    ]


def test_models_and_status_have_readable_values() -> None:
    stream = io.StringIO()
    version = {"version": "v1", "algorithm": "ALS", "created_at": 0, "rows": 12345, "users": 2, "items": 3}
    facts = {"kinds": ["map", "prop"], "fold_in": {"method": "map", "prior": 2.5}, "index": {"recall": 0.98765}}
    version |= {"kind": "embedding", "facts": {**facts, "candidates": 200, "learnt_until": 1767225600}}
    damaged = {**dict.fromkeys(version), "version": "v0", "bytes": None, "active": False, "damaged": True}
    write(Models("v1", [{**version, "bytes": 1500, "active": True, "damaged": False}, damaged]), stream)
    counts = {"batches": 1234, "batch_mean": 1.5, "queue_ms_mean": 0.25, "service_ms_max": 12.5, "feedback_rows": None}
    status = {"os_pid": 12345, "rss_bytes": 61_000_000, "model": None, "limits": {"max_n": 10000}, **counts}
    write(Status(status), stream)
    output = stream.getvalue()
    told = "kinds map, prop; fold in map; index recall 0.988; candidates 200; learnt until 2026-01-01 00:00"
    assert told in output
    rows = {tuple(line.split("  ", 1)) for line in output.splitlines()}
    found = {key: value.strip() for key, value in (row for row in rows if len(row) == 2)}
    assert (found["batches"], found["batch mean"], found["feedback rows"]) == ("1,234", "1.50", "-")
    assert (found["queue mean"], found["service max"]) == ("0.25 ms", "12 ms")
    for expected in ("active", "12,345", "1.5 kB", "damaged", "61.0 MB", "limits.max n", "10,000"):
        assert expected in output
    assert " 12345 " in output.replace("\n", " \n")


def test_a_narrow_window_shows_the_versions_and_not_the_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    version = {"version": "v1", "algorithm": "ALS", "rows": 1, "users": 2, "items": 3, "bytes": 4, "active": True}
    version |= {"damaged": None, "kind": "two_stage", "facts": {"kinds": ["map"] * 20}}
    shown = {}
    for width in (60, 100, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", "50")
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda: True)
        write(Models("v1", [version]), stream)
        shown[width] = ["v1" in stream.getvalue(), "two_stage" in stream.getvalue(), "map" in stream.getvalue()]
    assert shown == {60: [True, False, False], 100: [True, True, False], 200: [True, True, True]}


def test_defaults_are_written_as_they_would_be_typed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in _shown(world, "algorithms twotower", capsys).splitlines()]
    defaults = {row[0]: row[1] for row in rows if len(row) > 1}
    assert (defaults["use_bn"], defaults["dropout_rate"], defaults["hidden_units"]) == ("true", "nil", "128,64,32")


def test_quantities_are_readable() -> None:
    assert [size(octets) for octets in (0, 999, 1000, 61_400_000)] == ["0 B", "999 B", "1.0 kB", "61.4 MB"]
    assert [duration(s) for s in (0, 0.0004, 0.85, 12.34, 245, 12_000)] == [
        "0 ms",
        "0.40 ms",
        "850 ms",
        "12.3 s",
        "4 min 05 s",
        "3 h 20 min",
    ]
    assert moment(2**62) == str(2**62)


def test_a_training_says_whether_it_answers_why_and_how_good_it_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    trained, answers, title, header, _rule, candidate, popularity, *_ = _shown(world, "retrain als", capsys).split("\n")
    assert trained == "trained ALS in 1.5 s: 4 rows, 2 users, 3 items; model v2"
    assert answers == "it answers now: better than popularity"
    assert title.strip() == "of 200 users"
    assert header.split() == ["recall@10", "ndcg@10", "map@10", "coverage", "novelty"]
    assert candidate.split() == ["candidate", "0.5000", "0.2500", "0.1250", "1.0000", "3.50"]
    assert popularity.split() == ["popularity", "0.5000", "0.0625", "0.1250", "1.0000", "3.50"]
    assert candidate.index("0.2500") == popularity.index("0.0625")
    stored = _shown(world, "retrain als activate=never mode=warm", capsys)
    assert "trained ALS (warm) in" in stored
    assert "it does not answer: " in stored
    found = _object(world, "retrain als", capsys)
    assert (found["activated"], found["reason"], found["mode"]) == (True, "better than popularity", "full")
    assert isinstance(found["evaluation"], dict)
    assert found["evaluation"]["candidate"]["ndcg"] == 0.25


def test_a_training_without_figures_has_no_table(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    trained = Trained(
        "v2", "ALS", "full", 4, 2, 3, 1500, activated=True, reason="not judged", evaluation=None, skipped=7
    )
    show_tables(Outcome("retrain", trained))
    shown = capsys.readouterr().out
    assert shown.count("\n") == 2
    assert "4 rows (and 7 malformed ones skipped), 2 users" in shown


def test_what_goes_on_is_said_as_far_as_it_is_known() -> None:
    known = {"rows": 1200, "epoch": 3, "epochs": 10, "loss": 0.12345, "ndcg": 0.25, "seconds_left": 61.4}
    assert standing(known) == "1,200 rows  epoch 3/10  loss 0.1235  ndcg 0.2500  61 s left"
    assert standing(dict.fromkeys(known)) == ""


def test_a_switch_names_both_versions() -> None:
    stream = io.StringIO()
    write(Switched("v1", "ALS", "v2"), stream)
    write(Switched("v1", "ALS", None), stream)
    assert stream.getvalue().splitlines() == [
        "v1 (ALS) answers now; v2 did before",
        "v1 (ALS) answers now; none did before",
    ]
