"""`port-worker models` as a person and as a script run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from port_worker.cli import main
from port_worker.store.models import ModelStore
from tests.worker.two_versions import publish

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Each version a second younger than the one before."""
    seconds = count(1_700_000_000)
    return ModelStore(tmp_path / "models", clock=lambda: next(seconds))


@pytest.fixture
def versions(store: ModelStore) -> list[str]:
    """Four, oldest first; the second is active, the first was before."""
    made = [publish(store, float(slope)) for slope in range(1, 5)]
    store.activate(made[0])
    store.activate(made[1])
    return made


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("PORT_WORKER_STORE", raising=False)

    def run(*words: str, home: Path = tmp_path) -> tuple[int, str, str]:
        status = main(["models", *words, "--home", str(home)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def found(run: Run, *words: str, **where: Path) -> dict[str, Any]:
    status, out, err = run(*words, "--json", **where)
    assert (status, err, out.count("\n")) == (0, "", 1)
    result: dict[str, Any] = json.loads(out)
    return result


def damage(store: ModelStore, version: str) -> None:
    path = store.folder(version) / "item_vectors.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")


def test_the_versions_are_listed_with_the_active_one_marked(run: Run, versions: list[str]) -> None:
    listed = found(run, "list")
    assert (listed["active"], listed["previous"]) == (versions[1], versions[0])
    assert [line["version"] for line in listed["versions"]] == versions[::-1]
    assert [line["active"] for line in listed["versions"]] == [False, False, True, False]
    status, out, _err = run("list")
    assert status == 0
    [line] = [line.split() for line in out.splitlines() if line.startswith(versions[1])]
    assert line[1:6] == ["active", "ALS", "embedding", "2", "40"]
    assert f"`rollback` goes to {versions[0]}" in out


def test_nothing_is_listed_where_nothing_is(run: Run) -> None:
    assert found(run, "list") == {"active": None, "previous": None, "versions": []}
    assert run("list")[1] == "no models yet; a worker's `retrain` makes one\n"
    assert run("verify")[:2] == (0, "no version is active\n")
    assert found(run, "prune")["removed"] == []


def test_a_version_is_shown_with_its_files(run: Run, versions: list[str], store: ModelStore) -> None:
    shown = found(run, "show", versions[2])
    assert shown["manifest"]["version"] == versions[2]
    assert shown["active"] is False
    status, out, _err = run("show", versions[2])
    assert status == 0
    for name, entry in store.read(versions[2]).files.items():
        assert name in out
        assert entry.sha256 in out


def test_a_version_is_activated_and_rolled_back(run: Run, versions: list[str], store: ModelStore) -> None:
    assert found(run, "activate", versions[3]) == {"version": versions[3], "previous": versions[1]}
    assert store.active() == versions[3]
    assert run("rollback")[1] == f"{versions[1]} is active; {versions[3]} was before\n"
    assert store.active() == versions[1]


@pytest.mark.parametrize("command", ["show", "activate", "verify"])
def test_an_unknown_version_is_refused(run: Run, versions: list[str], command: str) -> None:
    status, out, err = run(command, "20240101T000000Z-als-000000")
    assert (status, out) == (1, "")
    assert err.startswith("port-worker models: version: expected one that is in the store, got '20240101T0")


def test_damage_is_found_and_not_activated(run: Run, versions: list[str], store: ModelStore) -> None:
    damage(store, versions[3])
    status, out, _err = run("verify", "--all", "--json")
    assert status == 1
    wrong = json.loads(out)["versions"]
    assert [version for version, why in wrong.items() if why] == [versions[3]]
    status, out, _err = run("verify", versions[3])
    assert (status, "item_vectors.npy: expected SHA-256" in out) == (1, True)
    assert run("verify")[0] == 0
    assert run("activate", versions[3])[0] == 1
    assert store.active() == versions[1]


def test_nothing_to_roll_back_to_is_said(run: Run, store: ModelStore) -> None:
    store.activate(publish(store, 1.0))
    status, _out, err = run("rollback")
    assert status == 1
    assert "expected a stored version that was active before" in err


def test_old_versions_are_pruned(run: Run, versions: list[str]) -> None:
    assert found(run, "prune", "--keep", "1")["removed"] == [versions[2]]
    assert run("prune", "--keep", "1")[1] == "nothing to remove\n"


@pytest.mark.parametrize("keep", ["0", "-1", "x", "99999"])
def test_what_cannot_be_kept_is_a_usage_error(run: Run, keep: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("prune", "--keep", keep)
    assert ended.value.code == 2
    assert "expected a whole number from 1 to 10000" in capsys.readouterr().err


def test_a_store_at_a_url_is_listed_and_changed(
    run: Run, versions: list[str], store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT_WORKER_STORE", f"file://{tmp_path}/shared")
    assert found(run, "activate", versions[2])["previous"] == versions[1]
    other = tmp_path / "other"
    for home in (other, tmp_path):
        listed = found(run, "list", home=home)
        assert (listed["active"], listed["previous"]) == (versions[2], versions[1])
    assert found(run, "rollback", home=other)["version"] == versions[1]
    assert found(run, "list")["active"] == versions[1]
    assert store.active() == versions[1]


def test_what_is_only_elsewhere_is_listed_so_and_shown(
    run: Run, versions: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT_WORKER_STORE", f"file://{tmp_path}/shared")
    for version in versions[2:]:
        found(run, "activate", version)
    other = tmp_path / "other"
    lines = found(run, "list", home=other)["versions"]
    assert [(line["version"], line["cached"]) for line in lines] == [
        (versions[3], True),
        (versions[2], True),
        (versions[1], False),
        (versions[0], False),
    ]
    assert found(run, "show", versions[1], home=other)["manifest"]["version"] == versions[1]
    assert "elsewhere" in run("list", home=other)[1]
    assert found(run, "activate", versions[1], home=other)["previous"] == versions[3]


def test_a_store_that_cannot_be_reached_keeps_nobody_from_rolling_back(
    run: Run, versions: list[str], store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").write_text("")
    monkeypatch.setenv("PORT_WORKER_STORE", f"file://{tmp_path}/no-folder/models")
    status, out, err = run("rollback")
    assert (status, out) == (0, f"{versions[0]} is active; {versions[1]} was before\n")
    assert "going on with what is on this machine" in err
    assert store.active() == versions[0]
    assert run("list")[0] == 0


@pytest.mark.parametrize("place", ["s3://", "!!://x"])
def test_what_is_no_store_is_unusable(run: Run, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("PORT_WORKER_STORE", place)
    status, _out, err = run("list")
    assert (status, "PORT_WORKER_STORE: expected a folder or a URL" in err) == (2, True)


def test_its_help_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; from port_worker.cli import main\n"
        "try: main(['models', '--help'])\n"
        "except SystemExit: sys.exit(bool({'numpy', 'rich', 'fsspec'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, "rollback" in ran.stdout) == (0, True)


def test_a_report_is_a_page_in_a_file(run: Run, versions: list[str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert found(run, "report", versions[0], "--output", str(file)) == {"version": versions[0], "file": str(file)}
    assert versions[0] in file.read_text(encoding="utf-8")
    status, out, err = run("report", "20260101T000000Z-als-abcdef")
    assert (status, out) == (1, "")
    assert "20260101T000000Z-als-abcdef" in err


def test_what_are_curves_is_not_in_the_table(run: Run, store: ModelStore) -> None:
    evaluation: dict[str, Any] = {"candidate": {"ndcg": 0.25}, "users": 7}
    version = publish(store, 1.0, facts={"evaluation": evaluation, "rows_by_day": {"first_day": 1, "rows": [5]}})
    _status, out, _err = run("show", version)
    assert "metrics.ndcg" in out
    assert "rows_by_day" not in out
