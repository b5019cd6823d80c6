"""The programs in bin/: set up on first use, start at once afterwards, and keep their streams to themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.setup.project import Project, write_program

PROGRAMS = ["worker", "repl", "bench", "fixture", "inspect", "conformance", "algorithms", "models", "sources"]
FIRST_TIME = ["venv", "pip build.lock", "pip train.lock"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_run_sets_up_and_then_runs(project: Project, program: str) -> None:
    done = project.run(program, "--home", "a b", stdin="the input\n")
    assert (done.returncode, done.stdout) == (0, f"ran -m port_worker {program} --home a b\nthe input\n")
    assert project.notes == FIRST_TIME
    assert "[3/3] libraries: done" in done.stderr


@pytest.mark.parametrize("name", ["serving", "sources"])
def test_some_benches_bring_their_peers(project: Project, name: str) -> None:
    done = project.run("bench", name, "--quick")
    assert (done.returncode, done.stdout) == (0, f"ran -m port_worker bench {name} --quick\n")
    assert project.notes == ["venv", "pip build.lock", "pip dev.lock"]


def test_the_second_run_asks_nothing_of_pip_and_says_nothing(project: Project) -> None:
    project.run("worker")
    again = project.run("bench")
    assert (again.returncode, again.stdout, again.stderr) == (0, "ran -m port_worker bench\n", "")
    assert project.notes == FIRST_TIME


def test_a_changed_lock_is_installed_into_the_same_environment(project: Project) -> None:
    project.run("worker")
    (project.root / "locks" / "train.lock").write_text("something==2.0 \\\n    --hash=sha256:01\n")
    project.run("worker")
    assert project.notes == [*FIRST_TIME, "pip build.lock", "pip train.lock"]
    project.run("worker")
    assert len(project.notes) == 5


def test_the_development_profile_covers_the_programs_but_is_not_covered_by_them(project: Project) -> None:
    assert "checks.py" in project.run("test").stdout
    assert project.notes == ["venv", "pip build.lock", "pip dev.lock"]
    project.run("worker")
    assert len(project.notes) == 3
    (project.root / "locks" / "train.lock").write_text("something==2.0\n")
    project.run("worker")
    project.run("test")
    assert project.notes[3:] == ["pip build.lock", "pip train.lock", "pip build.lock", "pip dev.lock"]


@pytest.mark.parametrize(("arguments", "env"), [(["--graph"], {}), ([], {"CI": "true"})])
@pytest.mark.parametrize(("cuda", "more"), [("False", []), ("True", ["pip graph-cuda.lock"])])
def test_torch_comes_on_demand_and_cuda_only_with_a_torch_that_requires_it(
    project: Project, arguments: list[str], env: dict[str, str], cuda: str, more: list[str]
) -> None:
    project.run("test", *arguments, env={"CUDA": cuda, **env})
    assert project.notes == ["venv", "pip build.lock", "pip dev.lock", "pip graph-cpu.lock", "pip graph.lock", *more]


def test_torch_does_not_hide_a_changed_lock_of_the_rest(project: Project) -> None:
    project.run("test", "--graph")
    before = len(project.notes)
    project.run("test", "--graph")
    assert len(project.notes) == before
    (project.root / "locks" / "dev.lock").write_text("something==2.0\n")
    project.run("test", "--graph")
    assert "pip dev.lock" in project.notes[before:]


def test_an_index_without_a_torch_for_the_cpu_is_no_hindrance(project: Project) -> None:
    done = project.run("test", "--graph", env={"PIP": "fail", "FAILING": "graph-cpu.lock"})
    assert (done.returncode, project.notes[-1]) == (0, "pip graph.lock")
    assert "torch for the CPU alone: not offered here" in done.stderr


def test_a_pip_that_fails_is_reported_and_the_next_run_goes_on(project: Project) -> None:
    failed = project.run("worker", env={"PIP": "fail"})
    assert (failed.returncode, failed.stdout) == (1, "")
    for part in ("pip install", "build.lock", "ERROR: no such file in the index", "setup.log"):
        assert part in failed.stderr
    assert project.run("worker").returncode == 0
    assert project.notes.count("venv") == 1


def test_a_set_up_that_was_killed_starts_anew(project: Project) -> None:
    killed = project.run("worker", env={"PIP": "die"})
    assert killed.returncode == 130
    assert "The next run starts it again" in killed.stderr
    assert project.run("worker").returncode == 0
    assert project.notes == ["venv", "pip build.lock", *FIRST_TIME]


def test_of_two_at_once_the_second_waits_says_so_and_goes_on(project: Project) -> None:
    with project.start("worker", PIP="wait") as first, project.start("repl", PIP="wait") as second:
        assert first.stderr is not None
        assert second.stderr is not None
        said = {first: first.stderr.readline(), second: second.stderr.readline()}
        assert sorted(line.split(" ", 1)[0] for line in said.values()) == ["Another", "Setting"]
        Path(project.env["GATE"]).touch()
        outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert outputs == ["ran -m port_worker worker\n", "ran -m port_worker repl\n"]
    assert project.notes == FIRST_TIME


def test_an_environment_whose_interpreter_is_gone_is_made_anew(project: Project) -> None:
    project.run("worker")
    (project.root / ".venv" / "bin" / "python").unlink()
    assert project.run("worker").returncode == 0
    assert project.notes == FIRST_TIME * 2


@pytest.mark.parametrize(
    "program", ["worker", "repl", "bench", "inspect", "conformance", "algorithms", "models", "sources", "test"]
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_answered_before_there_is_an_environment(project: Project, program: str, option: str) -> None:
    done = project.run(program, "--home", "x", option)
    assert done.returncode == 0
    assert done.stdout.startswith("ran ")
    assert "--help" in done.stdout or option in done.stdout
    assert not (project.root / ".venv").exists()


def test_it_runs_through_symbolic_links_from_elsewhere(project: Project, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to("../a project/bin/worker")
    (tmp_path / "two").symlink_to(tmp_path / "links" / "one")
    done = project.run(tmp_path / "two", cwd=tmp_path / "links")
    assert done.stdout == "ran -m port_worker worker\n"


def test_it_runs_when_named_without_a_folder(project: Project) -> None:
    command = ["sh", "worker"]
    done = subprocess.run(
        command, cwd=project.root / "bin", env=project.env, input="", capture_output=True, text=True, check=False
    )
    assert done.stdout == "ran -m port_worker worker\n"


def test_shims_that_do_not_run_are_passed_over(project: Project, tmp_path: Path) -> None:
    write_program(
        tmp_path / "shims" / "python3.11", "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n"
    )
    done = project.run("worker", env={"PATH": f"{tmp_path / 'shims'}:{project.env['PATH']}"})
    assert done.returncode == 0
    assert "pyenv" not in done.stdout + done.stderr


def test_without_a_fitting_python_it_says_what_was_looked_at(project: Project, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    write_program(alone / "python3.11", "#!/bin/sh\nexit 127\n")
    write_program(alone / "python3", "#!/bin/sh\necho 'is Python 3.9' >&2\nexit 1\n")
    for tool in ("sh", "cmp"):
        (alone / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    done = project.run("repl", env={"PATH": str(alone)})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{alone}/python3.11 does not run" in done.stderr
    assert f"{alone}/python3 is Python 3.9" in done.stderr
    assert "PORT_WORKER_PYTHON" in done.stderr


def test_the_python_that_the_user_names_is_used_or_refused(project: Project, tmp_path: Path) -> None:
    refused = project.run("worker", env={"PORT_WORKER_PYTHON": str(tmp_path / "missing")})
    assert refused.returncode == 1
    assert f"PORT_WORKER_PYTHON={tmp_path / 'missing'}" in refused.stderr
    named = (tmp_path / "pretend" / "python3.11").rename(tmp_path / "mine")
    assert project.run("worker", env={"PORT_WORKER_PYTHON": str(named)}).returncode == 0


def test_the_project_is_importable_by_a_path_that_moves_with_it(project: Project) -> None:
    project.run("worker")
    pth = project.root / ".venv" / "site" / "port_worker.pth"
    assert (pth.parent / pth.read_text().strip()).resolve() == project.root.resolve()
    assert not Path(pth.read_text()).is_absolute()
