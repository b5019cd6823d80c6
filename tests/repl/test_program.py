"""The program itself with a real worker, which really trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.fixture.database import write_world

_ROWS = [(user, item) for user in range(1, 31) for item in range(1, 21) if (user * 7 + item * 3) % 5 < 2]


def _repl(home: Path, *options: str, stdin: str | None = None) -> tuple[int, list[dict[str, Any]], str]:
    """The exit status, the JSON objects that it printed, and its standard error."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PORT_WORKER_")}
    finished = subprocess.run(
        [sys.executable, "-m", "port_worker", "repl", "--home", str(home), "--json", *options],
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        env=environ,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in finished.stderr
    return finished.returncode, [json.loads(line) for line in finished.stdout.splitlines()], finished.stderr


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    lines = [f"{user},{item},1,{1_700_000_000 + user * 100 + item}" for user, item in _ROWS]
    path.write_text("\n".join(["user,item,label,time", *lines]) + "\n", encoding="utf-8")
    return path


def test_an_empty_home_gets_a_model_and_named_items(tmp_path: Path) -> None:
    write_world(tmp_path / "world.sqlite", users=40, items=60, visits=800)
    status, (users, first), progress = _repl(tmp_path, "-c", "users 1", "-c", "recommend nobody 3")
    assert status == 0
    assert "training ALS" in progress
    assert first["source"] == "popular"
    user = users["users"][0]["id"]
    status, (answer, models), progress = _repl(tmp_path, "-c", f"recommend {user}", "-c", "models")
    assert status == 0
    assert "training" not in progress
    assert answer["source"] == "model"
    assert len(answer["items"]) == 10
    assert all(item["name"] and item["kind"] in {"avatar", "map", "prop"} for item in answer["items"])
    assert [each["version"] for each in models["versions"]] == [first["model"]] == [answer["model"]]


def test_all_that_a_model_is_asked_and_told(tmp_path: Path) -> None:
    write_world(tmp_path / "world.sqlite", users=40, items=60, visits=800)
    status, (trained, many), _progress = _repl(
        tmp_path, "-c", "retrain ALS embed_size=4 n_epochs=2", "-c", "many sample=3 n=4 kinds=map,prop"
    )
    assert (status, trained["algorithm"]) == (0, "ALS")
    assert [(each["source"], len(each["items"])) for each in many["users"]] == [("model", 4)] * 3
    assert {item["kind"] for each in many["users"] for item in each["items"]} == {"map", "prop"}
    user, (best, second, *_rest) = many["users"][0]["user"], [item["id"] for item in many["users"][0]["items"]]
    lines = [
        f"recommend {user} 4 kinds=map,prop diversity=0.25 exclude={best}",
        f"recommend nobody 3 recent={best},nothing",
        "recommend nobody features=interest:neon",
        f"similar {best} 3 metric=dot",
        f"score {user} {best} nothing",
        f"explain {user} {best} 2",
        f"feedback nobody {best}",
        f"hide {second}",
        f"recommend {user} 4 kinds=map,prop",
        "recommend nobody 3",
        "status",
    ]
    status, shown, _progress = _repl(tmp_path, stdin="\n".join(lines))
    varied, recent, refused, similar, scores, explained, fed, hidden, without, folded, state = shown
    assert status == 1
    assert best not in {item["id"] for item in varied["items"]}
    assert (recent["source"], recent["ignored"]) == ("fold_in", ["recent[1]"])
    assert refused["error"]["code"] == "unsupported_option"
    assert (similar["metric"], len(similar["items"])) == ("dot", 3)
    assert [item["score"] is None for item in scores["items"]] == [False, True]
    assert scores["items"][0]["score"] == pytest.approx(explained["score"], rel=1e-4)
    assert (explained["method"], len(explained["items"])) == ("exact", 2)
    assert all(item["name"] for item in explained["items"])
    assert (fed["accepted"], fed["unknown_users"], fed["stored"]) == (1, 1, 1)
    assert (hidden["changed"], hidden["hidden"], hidden["unknown"]) == (1, 1, 0)
    assert second not in {item["id"] for item in without["items"]}
    assert folded["source"] == "fold_in"
    assert (state["status"]["feedback_rows"], state["status"]["hidden_items"]) == (1, 1)


def test_a_users_own_data_with_integer_ids(tmp_path: Path, csv_file: Path) -> None:
    commands = ("-c", "retrain als embed_size=4", "-c", "recommend 7 5", "-c", "user 7 100")
    status, (trained, answer, profile), _progress = _repl(tmp_path / "home", "--data", str(csv_file), *commands)
    assert status == 0
    assert (trained["algorithm"], trained["rows"]) == ("ALS", len(_ROWS))
    seen = {item for user, item in _ROWS if user == 7}
    assert {visit["id"] for visit in profile["visits"]} == seen
    assert len(answer["items"]) == 5
    assert seen.isdisjoint(item["id"] for item in answer["items"])
    assert {(item["name"], item["kind"]) for item in answer["items"]} == {(None, None)}


def test_each_bad_line_has_its_own_error_and_the_rest_runs(tmp_path: Path, csv_file: Path) -> None:
    home = tmp_path / "home"
    expected = {
        "retrain KNN": "unknown_algorithm",
        "retrain ALS embed_size=0": "invalid_hyperparameter",
        "retrain ALS wings=2": "invalid_hyperparameter",
        "dance": "unknown_command",
        "recommend": "invalid_argument",
        "raw {call, 1": "malformed_term",
    }
    status, shown, _progress = _repl(home, "--data", str(csv_file), stdin="\n".join([*expected, "", "ping"]))
    assert status == 1
    assert {each["command"]: each["error"]["code"] for each in shown[:-1]} == expected
    assert shown[-1]["ok"] is True


def test_n_is_judged_by_the_worker(tmp_path: Path, csv_file: Path) -> None:
    commands = [f"recommend 7 {n}" for n in ("0", "-1", "1000000000", "ten")]
    _status, shown, _progress = _repl(tmp_path, "--data", str(csv_file), *(f"-c{line}" for line in commands))
    assert [each["error"]["code"] for each in shown] == ["invalid_argument"] * 4


def test_a_wrong_value_in_the_data_is_named_by_its_line(tmp_path: Path, csv_file: Path) -> None:
    lines = csv_file.read_text(encoding="utf-8").splitlines()
    lines[200] = lines[200].replace(",1,", ",much,")
    csv_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, (failed,), _progress = _repl(tmp_path / "home", "--data", str(csv_file), "-c", "retrain ALS")
    assert status == 1
    assert failed["error"]["code"] == "source_invalid_row"
    assert "line 201" in failed["error"]["message"]


def test_data_that_is_not_there_fails_every_command_at_once(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path / "absent.csv"), "-c", "ping", "-c", "models")
    status, shown, _progress = _repl(tmp_path / "home", *options)
    assert status == 1
    assert [(each["command"], each["error"]["code"]) for each in shown] == [
        ("ping", "source_missing"),
        ("models", "source_missing"),
    ]


def test_raw_shows_both_sides_of_the_wire(tmp_path: Path, csv_file: Path) -> None:
    lines = ("raw {call, 9, ping, #{}, infinity}", "raw {call, 9, ping, #{wings => 2}, infinity}")
    options = (f"-c{line}" for line in lines)
    _status, (shown, refused), _progress = _repl(tmp_path, "--data", str(csv_file), *options)
    assert [(frame["direction"], frame["term"]) for frame in shown["frames"]] == [
        ("out", "{call,9,ping,#{},infinity}"),
        ("in", "{ok,9,pong}"),
    ]
    assert shown["frames"][0]["hex"].startswith("00 00 00")
    assert refused["frames"][1]["term"].startswith("{error,9,")
    assert "unknown_argument" in refused["frames"][1]["term"]


def test_the_wire_may_be_msgpack(tmp_path: Path, csv_file: Path) -> None:
    lines = ("recommend 7 5", "raw {call, 9, ping, #{}, infinity}", "raw {call, 9, ping, #{}, 18446744073709551616}")
    options = ("--codec", "msgpack", "--data", str(csv_file), *(f"-c{line}" for line in lines))
    status, (answer, shown, refused), _progress = _repl(tmp_path, *options)
    assert status == 1
    assert len(answer["items"]) == 5
    sent, heard = shown["frames"]
    assert (sent["term"], heard["term"]) == ("{call,9,ping,#{},infinity}", "{ok,9,pong}")
    assert sent["hex"].startswith("00 00 00 19 95 d6 00 63 61 6c 6c 09 d6 00 70 69 6e 67 80")
    assert refused["error"]["code"] == "invalid_argument"
    assert "an integer of 9 bytes" in refused["error"]["message"]
