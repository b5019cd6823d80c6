"""Columns through a real worker: what they say is what the pairs say, and a raw UUID is its text."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerHost
from port_worker.sources.registry import open_source
from protocol.atoms import Atom


@pytest.fixture(scope="module")
def user(trained_home: Path) -> str:
    found = open_source(str(trained_home / "world.sqlite")).sample_users(1)[0].id
    assert isinstance(found, str)
    return found


def recommend(worker: WorkerHost, **args: Any) -> Any:
    return worker.call("recommend", args, timeout=20)


def test_columns_hold_what_the_pairs_hold(shared_worker: WorkerHost, user: str) -> None:
    for asked in (user, "nobody"):
        pairs = recommend(shared_worker, user=asked, n=20)
        columns = recommend(shared_worker, user=asked, n=20, form=Atom("columns"))
        (kind, raw), (score_kind, scores) = columns["items"]["ids"], columns["items"]["scores"]
        assert (kind, score_kind) == ("uuid", "float32")
        ids = [str(uuid.UUID(bytes=raw[start : start + 16])) for start in range(0, len(raw), 16)]
        found = list(zip(ids, struct.unpack(f"<{len(ids)}f", scores), strict=True))
        assert found == [(item, pytest.approx(score, rel=1e-6)) for item, score in pairs["items"]]
        assert {key: columns[key] for key in ("model", "source", "exhausted")} == {
            key: pairs[key] for key in ("model", "source", "exhausted")
        }


def test_a_raw_uuid_is_the_same_user_and_the_same_item_as_its_text(shared_worker: WorkerHost, user: str) -> None:
    by_text = recommend(shared_worker, user=user, n=10)
    assert recommend(shared_worker, user=(Atom("uuid"), uuid.UUID(user).bytes), n=10) == by_text
    items = [item for item, _score in by_text["items"]]
    raw = b"".join(uuid.UUID(item).bytes for item in items[:4])
    excluded = recommend(shared_worker, user=user, n=6, exclude=(Atom("uuid"), raw))
    assert [item for item, _score in excluded["items"]] == items[4:]
    assert excluded == recommend(shared_worker, user=user, n=6, exclude=items[:4])


def test_forms_mix_in_one_batch(shared_worker: WorkerHost, user: str) -> None:
    alone = {form: recommend(shared_worker, user=user, n=5, form=Atom(form)) for form in ("pairs", "columns")}
    asked = {
        shared_worker.send_call("recommend", {"user": user, "n": 5, "form": Atom(form)}): form
        for form in ("pairs", "columns", "columns", "pairs", "columns")
    }
    while asked:
        for message in shared_worker.poll(20.0):
            form = asked.pop(getattr(message, "id", -1))
            answer: Any = getattr(message, "result", None)
            assert answer["model"] == alone[form]["model"]
            assert type(answer["items"]) is type(alone[form]["items"])


def test_a_column_of_the_other_type_excludes_nothing(shared_worker: WorkerHost, user: str) -> None:
    column = (Atom("int64"), struct.pack("<3q", 1, 2, 3))
    assert recommend(shared_worker, user=user, exclude=column) == recommend(shared_worker, user=user)
