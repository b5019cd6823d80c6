"""What came of a replay, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TextIO

from port_worker.inspection.comparison import Difference, Summary

_MOST_LISTED = 20


def report(summary: Summary, stream: TextIO, *, as_json: bool = False) -> None:
    """Print a summary: some lines, or `{"summary": ...}` on one."""
    lines = [json.dumps({"summary": asdict(summary)})] if as_json else list(_lines(summary))
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def _lines(found: Summary) -> Iterator[str]:
    answers = found.ok + found.errors
    yield f"{_counted(found.calls, 'call')}: {answers} answered ({found.ok} ok, {_counted(found.errors, 'error')})"
    yield from (f"{_counted(count, 'frame')} {what}" for count, what in _other_frames(found) if count)
    if found.unanswered:
        yield f"unanswered: {_listed(found.unanswered)}"
    yield f"as recorded: {found.equal}; different: {len(found.different)}; not in the recording: {found.unrecorded}"
    yield from map(_difference, found.different[:_MOST_LISTED])
    if len(found.different) > _MOST_LISTED:
        yield f"  and {len(found.different) - _MOST_LISTED} more; --json lists all"
    if found.recurring:
        yield f"ids of several calls, whose answers were compared in order: {_listed(found.recurring)}"
    if found.silent_s is not None:
        yield f"the worker was silent for {found.silent_s:g} s (--timeout)"
    if found.worker is not None:
        yield found.worker


def _other_frames(found: Summary) -> Iterator[tuple[int, str]]:
    yield found.other, "fed besides: cancels, or what is no call"
    yield found.unfed, "not fed: the worker was not there, or silent"
    yield found.skipped, "not fed: nothing tells who said them"


def _difference(each: Difference) -> str:
    return f"  {'no id' if each.id is None else f'id {each.id}'}: {each.got}, recorded {each.recorded}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listed(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - _MOST_LISTED} more" if len(ids) > _MOST_LISTED else ""
    return ", ".join(map(str, ids[:_MOST_LISTED])) + more
