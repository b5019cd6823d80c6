from __future__ import annotations

import pytest

from port_worker.repl.arguments import UsageError, parameters, split, value
from port_worker.repl.errors import CommandError, Failure
from port_worker.repl.execute import execute
from port_worker.repl.world import World
from tests.repl.conftest import ADA, Bench, FakeHost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20", 20),
        ("-3", -3),
        ("1e-3", 0.001),
        ("0.5", 0.5),
        ("True", True),
        ("nil", None),
        ("gru", "gru"),
        ("inf", "inf"),
        ("1_000", "1_000"),
        ("64,32", [64, 32]),
        ("[64, 32]", [64, 32]),
        ("[8]", [8]),
        ("", ""),
    ],
)
def test_the_value_of_a_hyper_parameter_has_the_type_it_is_written_in(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("words", [["n_epochs"], ["=3"], ["reg=1", "reg=2"]])
def test_what_is_no_key_and_value_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parameters(words)


def test_words_are_split_as_a_shell_splits_them() -> None:
    assert split("'Ada Reyes' 5") == ["Ada Reyes", "5"]
    with pytest.raises(UsageError, match="quot"):
        split("O'Neil")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("recommend", "invalid_argument", "usage: recommend USER [N]"),
        ("recommend Ada Reyes 3", "invalid_argument", "quotes"),
        ("recommend ada_reyes ten", "invalid_argument", "n: expected an integer, got 'ten'"),
        ("recommend O'Neil", "invalid_argument", "usage: recommend USER [N]"),
        ("user ada_reyes 0", "invalid_argument", "n: expected 1 to"),
        ("recommend ada_reyes wings=2", "invalid_argument", "no option 'wings'; there are kinds, diversity"),
        ("recommend ada_reyes kinds=map kinds=prop", "invalid_argument", "kinds is given twice"),
        ("recommend ada_reyes diversity=much", "invalid_argument", "diversity: expected a number, got 'much'"),
        ("recommend ada_reyes diversity=1e999", "invalid_argument", "diversity: expected a number"),
        ("recommend ada_reyes filter_consumed=2", "invalid_argument", "filter_consumed: expected true or false"),
        ("recommend ada_reyes features=neon", "invalid_argument", "features: expected name:value"),
        ("similar", "invalid_argument", "ITEM is missing; usage: similar ITEM [N]"),
        ("score ada_reyes", "invalid_argument", "ITEM is missing; usage: score USER ITEM"),
        ("explain ada_reyes", "invalid_argument", "ITEM is missing; usage: explain USER ITEM [N]"),
        ("feedback ada_reyes 'Neon Fox' heavy", "invalid_argument", "weight: expected a number, got 'heavy'"),
        ("hide", "invalid_argument", "usage: hide ITEM [ITEM ...]"),
        ("many n=3", "invalid_argument", "USER is missing; usage: many"),
        ("many ada_reyes sample=3", "invalid_argument", "users or sample=K, got 'ada_reyes'"),
        ("many sample=0", "invalid_argument", "sample: expected 1 to 10000, got 0"),
        ("retrain ALS+", "invalid_argument", "expected RETRIEVER+RANKER, got 'ALS+'"),
        ("retrain ALS retriever.n_epochs=2", "invalid_argument", "retriever.n_epochs is for two stages"),
        ("users 3 4", "invalid_argument", "usage: users [N]"),
        ("ping 1", "invalid_argument", "usage: ping"),
        ("retrain BPR n_epochs", "invalid_argument", "expected key=value"),
        ("algorithms KNN", "unknown_algorithm", "ALS, BPR"),
        ("raw", "invalid_argument", "usage: raw TERM"),
        ("user nobody", "unknown_user", "'nobody'"),
        ("dance", "unknown_command", "recommend, many, similar"),
        ("help dance", "unknown_command", "recommend, many, similar"),
        ("", "unknown_command", "recommend, many, similar"),
    ],
)
def test_a_bad_line_gets_its_own_error_and_reaches_no_worker(world: World, line: str, code: str, said: str) -> None:
    bench = Bench(world)
    outcome = execute(bench.session, line)
    assert isinstance(outcome.result, Failure)
    assert outcome.result.code == code
    assert said in outcome.result.message
    assert bench.spawned == []


def test_a_number_out_of_range_is_for_the_worker_to_refuse(world: World) -> None:
    host = FakeHost()
    execute(Bench(world, host).session, "recommend ada_reyes -1")
    assert host.calls[-1] == ("recommend", {"user": ADA, "n": -1})


def test_a_line_passes_a_command_its_own_failure_only(world: World) -> None:
    host = FakeHost()
    host.answers["ping"] = CommandError("home_unusable", "full")
    assert execute(Bench(world, host).session, "ping").result == Failure("home_unusable", "full")
