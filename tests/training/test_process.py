"""The worker's side of a training: what it hears of well-behaved and misbehaving trainers, and how it ends them."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from port_worker.sources.definition import SourceDefinition
from port_worker.store.models import ModelStore
from port_worker.training.errors import TrainingError
from port_worker.training.messages import Done, Failed, Job, TrainerMessage
from port_worker.training.process import MAX_LOG_BYTES, TrainerProcess
from port_worker.training.progress import Progress
from tests.peers.trainer import DONE
from tests.training.processes import ends_within, gone

Start = Callable[..., TrainerProcess]
DEADLINE_S = 120  # a busy machine gives a trainer little
NO_SOURCE = SourceDefinition("csv:none")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "training.log"


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Start]:
    started: list[TrainerProcess] = []

    def start(kind: str, memory_limit: int | None = None) -> TrainerProcess:
        command = [sys.executable, "-m", "tests.peers.trainer", kind]
        job = Job(NO_SOURCE, str(tmp_path / "models"), "ALS", {}, memory_limit=memory_limit)
        started.append(TrainerProcess.start(job, log, command))
        return started[-1]

    yield start
    for trainer in started:
        trainer.close()


def hear(trainer: TrainerProcess, until: type[TrainerMessage] | None = None) -> list[TrainerMessage]:
    """Everything the trainer says, to its end or to the first message of a type."""
    heard: list[TrainerMessage] = []
    give_up = time.monotonic() + DEADLINE_S
    while not trainer.finished and not (until and any(isinstance(message, until) for message in heard)):
        assert time.monotonic() < give_up, heard
        select.select([trainer.fd], [], [], 0.1)
        heard += trainer.read()
    return heard


def failed(trainer: TrainerProcess) -> Failed:
    *_, last = hear(trainer)
    assert isinstance(last, Failed)
    return last


def test_prints_go_to_the_log_and_disturb_nothing(start: Start, log: Path) -> None:
    progress, last = hear(start("prints-everywhere"))
    assert isinstance(progress, Progress)
    assert last == DONE
    assert set(log.read_text().split("\n")) >= {"from Python", "from C", "to descriptor 1", "from a child"}


def test_a_library_that_reads_finds_nothing_to_read(start: Start) -> None:
    assert hear(start("reads-standard-input")) == [DONE]


@pytest.mark.parametrize(
    ("kind", "exception"),
    [
        ("value-error", "ValueError"),
        ("panic", "PanicException"),
        ("memory-error", "MemoryError"),
        ("system-exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
    ],
)
def test_whatever_is_raised_is_reported_by_name(start: Start, log: Path, kind: str, exception: str) -> None:
    failure = failed(start(kind))
    assert failure.code == "training_failed"
    assert exception in failure.message
    assert "Traceback" not in failure.message
    assert failure.details == {"exception": exception, "log": str(log)}
    assert "Traceback" in log.read_text()


def test_a_killed_trainer_is_reported_with_its_signal(start: Start) -> None:
    failure = failed(start("kills-itself"))
    assert (failure.code, failure.details["exit_status"]) == ("training_failed", -signal.SIGKILL)
    assert "SIGKILL" in failure.message


LIMIT_OF_A_TRAINING = 1536 << 20
"""More than LibRecommender takes, and less than TensorFlow reserves."""

LIMIT = 200 << 20
"""More than a stand-in takes, less than it takes with what it allocates."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what processes take is read from /proc")
@pytest.mark.parametrize("kind", ["allocates", "allocates-in-a-child"])
def test_a_trainer_that_takes_too_much_is_ended(start: Start, log: Path, kind: str) -> None:
    trainer = start(kind, LIMIT)
    failure = failed(trainer)
    peak = failure.details.pop("peak_bytes")
    assert LIMIT < peak < 3 * LIMIT
    assert failure.details == {"reason": "memory", "limit_bytes": LIMIT, "log": str(log)}
    assert (failure.code, gone(trainer.pid)) == ("training_failed", True)
    assert f"expected at most 200 MiB of memory, got {peak >> 20} MiB" in failure.message


def test_a_request_that_cannot_be_is_told_as_memory_too(start: Start, log: Path) -> None:
    failure = failed(start("asks-for-too-much", LIMIT))
    assert (failure.code, failure.details["reason"], failure.details["limit_bytes"]) == (
        *("training_failed", "memory"),
        LIMIT,
    )
    assert failure.details["peak_bytes"] < LIMIT
    assert "MemoryError" in log.read_text()


def test_within_its_limit_a_trainer_is_left_alone(start: Start) -> None:
    *_, last = hear(start("prints-everywhere", LIMIT))
    assert last == DONE


def test_a_trainer_that_ends_without_a_word_is_reported_with_its_last_line(start: Start, log: Path) -> None:
    failure = failed(start("says-nothing"))
    assert failure.details == {"exit_status": 3, "last_line": "last words", "log": str(log)}
    assert "exit status 3" in failure.message
    assert str(log) in failure.message


def test_half_a_line_is_no_message(start: Start) -> None:
    *progress, last = hear(start("writes-half-a-line"))
    assert progress == []
    assert isinstance(last, Failed)
    assert last.details["exit_status"] == 0


def test_lines_are_put_together_from_pieces(start: Start) -> None:
    assert hear(start("writes-in-pieces")) == [Progress("fit", 0.5), DONE]


@pytest.mark.parametrize("kind", ["writes-nonsense", "writes-without-end"])
def test_what_is_no_message_ends_the_training(start: Start, kind: str) -> None:
    failure = failed(start(kind))
    assert failure.code == "training_failed"
    assert "cannot be read" in failure.message


def test_a_trainer_that_goes_silent_is_ended(start: Start) -> None:
    trainer = start("closes-the-pipe-and-stays")
    assert failed(trainer).details["exit_status"] == -signal.SIGKILL
    assert gone(trainer.pid)


def test_a_trainer_that_stays_after_its_last_word_is_ended(start: Start) -> None:
    trainer = start("stays-after-done")
    assert hear(trainer) == [DONE]
    assert gone(trainer.pid)


def test_a_grandchild_that_keeps_the_pipe_does_not_hold_the_end_up(start: Start) -> None:
    trainer = start("has-a-child-that-keeps-the-pipe")
    progress, last = hear(trainer)
    assert isinstance(progress, Progress)
    assert isinstance(last, Failed)
    assert last.details["exit_status"] == 7
    assert progress.rows is not None
    assert ends_within(DEADLINE_S, progress.rows)


def test_kill_ends_the_trainer_and_what_it_started(start: Start) -> None:
    trainer = start("has-a-child")
    *_, progress = hear(trainer, until=Progress)
    assert isinstance(progress, Progress)
    assert progress.rows is not None
    trainer.kill()
    *_, last = hear(trainer)
    assert isinstance(last, Failed)
    assert last.code == "cancelled"
    assert gone(trainer.pid)
    assert ends_within(DEADLINE_S, progress.rows)
    assert trainer.read() == []


def test_what_was_published_before_a_kill_stays_done(start: Start) -> None:
    trainer = start("stays-after-done")
    give_up = time.monotonic() + DEADLINE_S
    while not select.select([trainer.fd], [], [], 0.1)[0]:
        assert time.monotonic() < give_up
    assert trainer.read() in ([], [DONE])
    trainer.kill()
    assert hear(trainer) in ([], [DONE])


def test_a_kill_sweeps_what_was_half_written(start: Start, tmp_path: Path) -> None:
    half_written = tmp_path / "models" / ".staging-1-abcdef"
    half_written.mkdir(parents=True)
    trainer = start("waits")
    hear(trainer, until=Progress)
    trainer.kill()
    hear(trainer)
    assert not half_written.exists()


def test_close_ends_a_running_trainer_and_may_come_again(start: Start) -> None:
    trainer = start("waits")
    trainer.close()
    trainer.close()
    assert gone(trainer.pid)
    assert trainer.finished


def test_the_trainer_is_polite_and_in_a_group_of_its_own(start: Start) -> None:
    trainer = start("waits")
    hear(trainer, until=Progress)
    assert psutil.Process(trainer.pid).nice() == 19
    session = Path(f"/proc/{trainer.pid}/autogroup")
    assert not session.exists() or session.read_text().endswith(" nice 5\n")
    assert os.getpgid(trainer.pid) == os.getsid(trainer.pid) == trainer.pid


def test_a_long_log_is_put_aside(start: Start, log: Path) -> None:
    log.parent.mkdir()
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    hear(start("prints-everywhere"))
    assert log.stat().st_size < MAX_LOG_BYTES
    assert (log.parent / "training.log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_a_trainer_that_cannot_be_started_is_an_error(tmp_path: Path, log: Path) -> None:
    job = Job(NO_SOURCE, str(tmp_path), "ALS", {})
    with pytest.raises(TrainingError, match="cannot be started") as caught:
        TrainerProcess.start(job, log, [str(tmp_path / "none")])
    assert caught.value.code == "training_failed"
    with pytest.raises(TrainingError, match="cannot be started"):
        TrainerProcess.start(job, tmp_path)  # a folder is no log
    with pytest.raises(TrainingError, match="cannot be started"):
        TrainerProcess.start(Job(SourceDefinition("csv:" + "x" * 40_000), str(tmp_path), "ALS", {}), log)


class TestTheRealTrainer:
    """From a file to a version in the store, by the command that the worker uses."""

    def run(
        self,
        source: str,
        tmp_path: Path,
        log: Path,
        *,
        budget_s: float | None = None,
        activate: str = "gated",
        **params: object,
    ) -> list[TrainerMessage]:
        from port_worker.training.catalogue import validate

        models, valid = str(tmp_path / "models"), validate("ALS", params)
        job = Job(
            SourceDefinition(source),
            models,
            "ALS",
            valid,
            budget_s=budget_s,
            activate=activate,
            memory_limit=LIMIT_OF_A_TRAINING,
        )
        trainer = TrainerProcess.start(job, log)
        try:
            return hear(trainer)
        finally:
            trainer.close()

    def test_it_publishes_a_version_and_tells_how_far_it_is(self, tmp_path: Path, log: Path) -> None:
        rows = "".join(f"{user},{item},1,{user + item}\n" for user in range(9) for item in range(user % 3, 12, 2))
        (tmp_path / "visits.csv").write_text("user,item,label,time\n" + rows)
        *progress, done = self.run(f"csv:{tmp_path / 'visits.csv'}", tmp_path, log, n_epochs=3)
        assert isinstance(done, Done), done
        reports = [report for report in progress if isinstance(report, Progress)]
        assert len(reports) == len(progress)
        assert list(dict.fromkeys(report.phase for report in reports)) == ["extract", "prepare", "fit", "export"]
        shares = [report.share for report in reports]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        manifest = ModelStore(tmp_path / "models").read(done.version)
        assert (manifest.algorithm, manifest.users, manifest.items) == ("ALS", 9, 12)
        assert manifest.rows == done.rows == rows.count("\n")
        assert manifest.params["n_epochs"] == 3
        assert "LibRecommender" in manifest.libraries
        assert ModelStore(tmp_path / "models").active() is None

    def test_a_budget_that_is_over_leaves_an_epoch_and_fits_once_more_as_many(self, tmp_path: Path, log: Path) -> None:
        rows = "".join(f"{user},{item},1,{user + item}\n" for user in range(120) for item in range(user % 3, 12, 2))
        (tmp_path / "visits.csv").write_text("user,item,label,time\n" + rows)
        *progress, done = self.run(
            f"csv:{tmp_path / 'visits.csv'}", tmp_path, log, budget_s=0.001, activate="force", n_epochs=50
        )
        assert isinstance(done, Done), done
        assert done.reason.endswith("; 1 of 50 epochs of ALS in the budget of 0.001 s")
        assert ModelStore(tmp_path / "models").read(done.version).facts["epochs"] == {"ALS": 1}
        assert {"fit", "final_fit"} < {one.phase for one in progress if isinstance(one, Progress)}

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (None, "source_missing"),
            ("user,item,label,time\n", "source_empty"),
            ("user,item,label,time\n1,1,1,1\n", "source_empty"),
            ("user,item,label,time\n1,1,one,1\n", "source_invalid_row"),
            ("user,item\n1,1\n", "source_missing_column"),
        ],
    )
    def test_a_bad_source_keeps_its_own_error(self, tmp_path: Path, log: Path, content: str | None, code: str) -> None:
        if content is not None:
            (tmp_path / "visits.csv").write_text(content)
        *_, last = self.run(f"csv:{tmp_path / 'visits.csv'}", tmp_path, log)
        assert isinstance(last, Failed)
        assert last.code == code, last
        assert not list((tmp_path / "models").glob("*"))
