"""What whoever follows the log reads: each phase and each epoch once, with what was found by then."""

from __future__ import annotations

from dataclasses import replace

from port_worker.sources.definition import SourceDefinition
from port_worker.training.journal import Journal
from port_worker.training.messages import Done, Failed, Job
from port_worker.training.progress import Progress, Reporter

MOMENT = 1_700_000_000
JOB = Job(SourceDefinition("csv:visits.csv"), "models", "DeepFM", {}, retriever="ALS", mode="warm", budget_s=60.0)
DONE = Done("v2", "ALS", rows=3, users=2, items=2, duration_ms=1500, reason="better than popularity")


def written(lines: list[str]) -> list[str]:
    """The lines without the moment, which each begins with."""
    stamp = "2023-11-14T22:13:20Z "
    assert all(line.startswith(stamp) and line.endswith("\n") for line in lines)
    return [line.removeprefix(stamp).rstrip("\n") for line in lines]


def test_a_phase_is_said_when_it_begins_and_an_epoch_when_it_has_ended() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, lambda: MOMENT)
    journal.begin(JOB)
    journal.hear(Progress("extract", 0.0, rows=0))
    journal.hear(Progress("extract", 0.01, rows=5000))
    journal.hear(Progress("prepare", 0.05, rows=5000, seconds_left=60.4))
    journal.hear(Progress("fit", 0.2, epochs=2))
    for share, epoch, loss in ((0.2, 1, None), (0.3, 1, 0.75), (0.4, 1, 0.5), (0.4, 2, None), (0.6, 2, 0.25)):
        journal.hear(Progress("fit", share, epoch=epoch, epochs=2, loss=loss, seconds_left=9.0))
    journal.hear(Progress("export", 0.9, ndcg=0.125))
    journal.hear(Progress("export", 1.0, ndcg=0.125))
    assert written(lines) == [
        "training ALS+DeepFM (warm) from csv:visits.csv, within 60 s",
        "extract: begins; 0% done",
        "prepare: begins, 5,000 rows; 5% done, about 60 s left",
        "fit: begins; 20% done",
        "fit: epoch 1 of 2, loss 0.5; 40% done, about 9 s left",
        "fit: epoch 2 of 2, loss 0.25; 60% done, about 9 s left",
        "export: begins, ndcg 0.1250; 90% done",
    ]


def test_the_end_is_said_too() -> None:
    lines: list[str] = []
    journal = Journal(lines.append, lambda: MOMENT)
    for outcome in (
        DONE,
        replace(DONE, activate=False, reason="only stored, as asked"),
        Failed("source_empty", "no rows"),
    ):
        journal.end(outcome)
    assert written(lines) == [
        "done after 1.5 s: v2 is to answer: better than popularity",
        "done after 1.5 s: v2 is only stored: only stored, as asked",
        "failed, source_empty: no rows",
    ]


def test_the_journal_hears_what_the_host_is_spared() -> None:
    sent: list[Progress] = []
    heard: list[Progress] = []
    reporter = Reporter(sent.append, lambda: 0.0, heard.append)
    for epoch in range(1, 6):
        reporter.report("fit", epoch / 5, epoch=epoch, epochs=5)
    assert [progress.epoch for progress in heard] == [1, 2, 3, 4, 5]
    assert [progress.epoch for progress in sent] == [1]
