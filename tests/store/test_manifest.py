from __future__ import annotations

import contextlib
import hashlib
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.store.manifest import MAX_BYTES, FileEntry, Manifest, ManifestError, is_artifact_name

MANIFEST = Manifest(
    version="20261123T094501Z-als-1a2b3c",
    created_at=1_795_427_101,
    algorithm="ALS",
    kind="embedding",
    params={"lr": 0.1, "name": "\u00e9", "layers": [1, None, True]},
    users=2,
    items=3,
    rows=4,
    source="sqlite:x",
    libraries={"numpy": "2.4.6"},
    files={"a.npy": FileEntry(5, "0" * 64), "b.npy": FileEntry(7, "f" * 64)},
)


def _with_checksum(body: dict[str, Any]) -> bytes:
    """A document whose checksum is right, whatever its body."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps({"format": 2, "checksum": checksum, "manifest": body}).encode()


def _body() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(MANIFEST.to_json())["manifest"]
    return body


def test_what_was_written_is_read_back() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert Manifest.from_json(_with_checksum(_body())) == MANIFEST
    assert MANIFEST.total_size == 12


@given(st.integers(0, len(MANIFEST.to_json()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_nothing(place: int, mask: int) -> None:
    data = bytearray(MANIFEST.to_json())
    data[place] ^= mask
    with contextlib.suppress(ManifestError):
        assert Manifest.from_json(bytes(data)) == MANIFEST


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[" * 100_000, "JSON"),
        (b"[]", "a JSON object"),
        (b'{"format": NaN}', "finite numbers"),
        (b"{}", "format 2"),
        (b'{"format": true}', "format 2"),
        (MANIFEST.to_json().replace(b'"format": 2', b'"format": 1'), "format 2"),
        (MANIFEST.to_json().replace(b'"rows": 4', b'"rows": 5'), "checksum"),
        (b'{"format": 2}', "the keys"),
        (b" " * (MAX_BYTES + 1), "at most"),
    ],
)
def test_it_says_what_was_expected(data: bytes, expected: str) -> None:
    with pytest.raises(ManifestError, match=expected):
        Manifest.from_json(data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"users": True}, "users of type int"),
        ({"users": "2"}, "users of type int"),
        ({"files": []}, "files of type dict"),
        ({"surprise": 1}, "the keys"),
        ({"files": {"../a": {"size": 1, "sha256": "0" * 64}}}, "plain file names"),
        ({"files": {"a": 1}}, "an object for a"),
        ({"files": {"a": {"size": -1, "sha256": "0" * 64}}}, "a size and a SHA-256"),
        ({"files": {"a": {"size": 1, "sha256": "0"}}}, "a size and a SHA-256"),
        ({"files": {"a": {"size": 1}}}, "the keys"),
    ],
)
def test_a_right_checksum_does_not_excuse_a_wrong_body(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ManifestError, match=expected):
        Manifest.from_json(_with_checksum({**_body(), **change}))


def test_a_parameter_that_json_cannot_hold_is_refused_when_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(MANIFEST, params={"lr": math.nan}).to_json()


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "manifest.json", "a\n", "\u00e9", "x" * 101])
def test_names_that_no_file_of_a_version_has(name: str) -> None:
    assert not is_artifact_name(name)
