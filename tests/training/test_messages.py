"""Lines between the worker and its trainer, and errors on their way to one."""

from __future__ import annotations

import os

import pytest

from port_worker.sources.definition import InteractionTable, ItemTable, SourceDefinition
from port_worker.store.errors import ModelRefused
from port_worker.training.child import attempt, failure
from port_worker.training.errors import TrainingError
from port_worker.training.lines import MAX_LINE_BYTES, Lines
from port_worker.training.messages import Done, Failed, Job, TrainerMessage, decode, encode
from port_worker.training.progress import Progress

DEFINITION = SourceDefinition(
    "csv:/a b/ü.csv",
    "visits",
    interactions=InteractionTable(key=("a", "b")),
    items=ItemTable(public="shown"),
    weights={"visit": 1.0, "favourite": 3.0},
    window_days=30.0,
)
DONE = Done("20260101T000000Z-als-abcdef", "ALS", rows=3, users=2, items=2, duration_ms=1)


@pytest.mark.parametrize(
    "message",
    [
        Job(DEFINITION, "/models", "ALS", {"reg": 0.5, "hidden_units": [1, 2], "recent_num": None}),
        Progress("fit", 0.25, epoch=1, epochs=2, loss=0.5),
        DONE,
        Failed("training_failed", "line\nbreak", {"exception": "ValueError"}),
    ],
)
def test_a_message_is_one_line_and_comes_back(message: Job | TrainerMessage) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b"1", b"{}", b"\xff"),
        *(b'{"kind": "Oops"}', b'{"kind": "Done"}', b'{"kind": "Failed", "x": 1}'),
        *(b'{"kind": "Job", "source": "csv:x"}', b'{"kind": "Job", "source": {"items": 1}}'),
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any ValueError: json's own, and of bytes that are no UTF-8
        decode(line)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(Progress("fit", float("nan")))


def test_an_error_with_a_code_keeps_it() -> None:
    refused = ModelRefused("item_vectors", "finite numbers", "3 that are not")
    assert failure(refused) == Failed("training_failed", str(refused), refused.details)
    empty = TrainingError("source_empty", "too little", {"rows": 1})
    assert failure(empty) == Failed("source_empty", "too little", {"rows": 1})


def test_an_error_with_another_kind_of_code_is_named() -> None:
    """SystemExit has a `code` too."""
    assert failure(SystemExit(2)).code == "training_failed"
    assert failure(SystemExit("usage")).details == {"exception": "SystemExit"}


def test_a_long_text_is_cut() -> None:
    assert len(failure(ValueError("x" * 10**6)).message) < 1000


def test_success_is_passed_on() -> None:
    assert attempt(lambda: DONE) is DONE


def test_lines_wait_for_their_end() -> None:
    incoming, outgoing = os.pipe()
    os.set_blocking(incoming, False)
    lines = Lines(incoming)
    assert lines.read() == []
    os.write(outgoing, b"one\ntw")
    assert lines.read() == [b"one"]
    os.write(outgoing, b"o\nthree")
    assert lines.read() == [b"two"]
    os.close(outgoing)
    assert (lines.read(), lines.ended) == ([], True)
    lines.close()
    lines.close()


def test_a_line_without_end_is_refused() -> None:
    incoming, outgoing = os.pipe()
    os.set_blocking(incoming, False)
    lines = Lines(incoming)
    written = 0
    with pytest.raises(ValueError, match="without an end"):  # noqa: PT012  written bit by bit, as the pipe takes it
        while written <= 2 * MAX_LINE_BYTES:
            written += os.write(outgoing, b"x" * 60_000)
            assert lines.read() == []
    os.close(outgoing)
    lines.close()
