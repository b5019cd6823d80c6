"""What a model version says of itself: manifest.json, strict, with a checksum of its own."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn, TypeAlias, cast

FILE_NAME = "manifest.json"
FORMAT = 2
MAX_BYTES = 1 << 20
"""Far above any real manifest (1-2 KB); a longer file is refused unread."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_VERSION_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z0-9]{1,40}-[0-9a-f]{6}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestError(ValueError):
    """The text is not a manifest; `expected` and `found` say where it departs from one."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes, and SHA-256 in lower-case hexadecimal, of one file of a version."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One immutable version. `created_at` is in seconds since 1970 (UTC), `rows` counts the training rows.

    `facts` is what its kind has to say beside the files: names of item kinds, what was measured at the export.
    """

    version: str
    created_at: int
    algorithm: str
    kind: str
    params: dict[str, Json]
    users: int
    items: int
    rows: int
    source: str
    libraries: dict[str, str]
    files: dict[str, FileEntry]
    facts: dict[str, Json] = field(default_factory=dict)

    @property
    def total_size(self) -> int:
        """Bytes of all files, the manifest itself left out."""
        return sum(entry.size for entry in self.files.values())

    @property
    def watermark(self) -> int | None:
        """The time of the latest interaction that it has learnt, Unix seconds; None where the source has no times."""
        found = self.facts.get("learnt_until")
        return found if type(found) is int else None

    @property
    def metrics(self) -> dict[str, Json]:
        """What was measured on interactions that were held out, by name; empty where nothing was."""
        found = self.facts.get("evaluation")
        measured = found.get("candidate") if isinstance(found, dict) else None
        return dict(measured) if isinstance(measured, dict) else {}

    def to_json(self) -> bytes:
        """The file's content. Raises ValueError for a parameter that JSON cannot hold (NaN, infinity)."""
        body = asdict(self)
        document = {"format": FORMAT, "checksum": _checksum(body), "manifest": body}
        return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """The manifest that `to_json` wrote. Raises ManifestError for anything else."""
        document = _parse(data)
        if document.get("format") != FORMAT or isinstance(document["format"], bool):
            raise ManifestError(f"format {FORMAT}", document.get("format"))
        _check_keys(document, {"format": int, "checksum": str, "manifest": dict})
        body = document["manifest"]
        computed = _checksum(body)
        if document["checksum"] != computed:
            raise ManifestError(f"checksum {document['checksum']}", computed)
        _check_keys(body, _FIELD_TYPES)
        files = {name: _file_entry(name, entry) for name, entry in body["files"].items()}
        return cls(**{**body, "files": files})


def is_version_name(text: str) -> bool:
    """Whether a version may be called so: its moment, its algorithm, six random digits."""
    return _VERSION_NAME.fullmatch(text) is not None


def is_artifact_name(name: str) -> bool:
    """Whether a file of that name may be in a version's folder: flat, plain, and not the manifest."""
    return _ARTIFACT_NAME.fullmatch(name) is not None and name != FILE_NAME


_FIELD_TYPES: dict[str, type] = {
    "version": str,
    "created_at": int,
    "algorithm": str,
    "kind": str,
    "params": dict,
    "users": int,
    "items": int,
    "rows": int,
    "source": str,
    "libraries": dict,
    "files": dict,
    "facts": dict,
}


def _checksum(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ManifestError(f"at most {MAX_BYTES} bytes", "more")
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except ManifestError:
        raise
    except (ValueError, RecursionError) as error:
        raise ManifestError("JSON", error) from error
    if not isinstance(document, dict):
        raise ManifestError("a JSON object", type(document).__name__)
    return cast("dict[str, Any]", document)


def _refuse_constant(text: str) -> NoReturn:
    raise ManifestError("finite numbers", text)


def _check_keys(found: dict[str, Any], types: dict[str, type]) -> None:
    if found.keys() != types.keys():
        raise ManifestError(f"the keys {sorted(types)}", sorted(found))
    for key, expected in types.items():
        if type(found[key]) is not expected:  # a bool is an int to isinstance
            raise ManifestError(f"{key} of type {expected.__name__}", type(found[key]).__name__)


def _file_entry(name: str, entry: object) -> FileEntry:
    if not is_artifact_name(name):
        raise ManifestError("plain file names", repr(name))
    if not isinstance(entry, dict):
        raise ManifestError(f"an object for {name}", type(entry).__name__)
    _check_keys(entry, {"size": int, "sha256": str})
    if entry["size"] < 0 or not _SHA256.fullmatch(entry["sha256"]):
        raise ManifestError(f"a size and a SHA-256 for {name}", entry)
    return FileEntry(**entry)
