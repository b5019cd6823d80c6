"""What can be wrong with a stored model, each with the error code that the caller is told."""

from __future__ import annotations


class StoreError(Exception):
    """Base of this room's errors.

    `code` is a member of the wire's closed set; `details` holds only what JSON can hold.
    """

    code = "internal"

    def __init__(self, message: str, details: dict[str, object]) -> None:
        super().__init__(message)
        self.details = details


class UnknownVersion(StoreError):  # noqa: N818 - the name says what is wrong
    """No folder of that name is in the store, or the text is no version name at all."""

    code = "unknown_version"

    def __init__(self, version: str) -> None:
        super().__init__(
            f"version: expected one that is in the store, got {version!r}",
            {"field": "version", "expected": "one that is in the store", "got": version},
        )


class NoPreviousVersion(StoreError):  # noqa: N818 - the name says what is wrong
    """No version that is still there was active before the one that is."""

    code = "no_previous_version"

    def __init__(self, active: str | None) -> None:
        super().__init__(
            f"rollback: expected a stored version that was active before, got none before {active!r}",
            {"field": "version", "expected": "a stored version that was active before", "got": active},
        )


class StoreUnavailable(StoreError):  # noqa: N818 - the name says what is wrong
    """The store cannot be changed or reached now: another process holds its lock, or the network or disk refuses."""

    code = "store_unavailable"

    def __init__(self, store: str, expected: str, found: object) -> None:
        super().__init__(
            f"{store}: expected {expected}, found: {found}", {"store": store, "expected": expected, "got": str(found)}
        )


class ModelDamaged(StoreError):  # noqa: N818 - the name says what is wrong
    """A stored version, or the pointer to the active one, is not what was written."""

    code = "model_damaged"

    def __init__(self, version: str, file: str, expected: object, found: object) -> None:
        super().__init__(
            f"model {version!r}, {file}: expected {expected}, found {found}",
            {"version": version, "file": file, "expected": str(expected), "got": str(found)},
        )


class ModelRefused(StoreError):  # noqa: N818 - the name says what is wrong
    """What training produced cannot be served: values that are not finite, ids out of order, shapes that disagree."""

    code = "training_failed"

    def __init__(self, array: str, expected: str, found: object) -> None:
        super().__init__(
            f"{array}: expected {expected}, found {found}",
            {"array": array, "expected": expected, "got": str(found)},
        )


class FeedbackUnavailable(StoreError):  # noqa: N818 - the name says what is wrong
    """What the worker was told cannot be read or written: the file is busy, read-only, full, or of a later format."""

    code = "feedback_unavailable"

    def __init__(self, file: str, expected: str, found: object) -> None:
        super().__init__(
            f"{file}: expected {expected}, found: {found}", {"file": file, "expected": expected, "got": str(found)}
        )


class TooManyHidden(StoreError):  # noqa: N818 - the name says what is wrong
    """The items to hide do not fit beside those that are hidden; none of them was hidden."""

    code = "too_many_hidden"

    def __init__(self, limit: int, got: int) -> None:
        super().__init__(f"hidden items: expected at most {limit} in all, got {got}", {"max": limit, "got": got})


def from_code(code: str, message: str, details: dict[str, object]) -> StoreError:
    """The error of that code which another process has raised, as far as callers tell them apart."""
    kinds = {kind.code: kind for kind in (UnknownVersion, ModelDamaged, StoreUnavailable)}
    kind = kinds.get(code, StoreUnavailable)
    error = kind.__new__(kind)
    StoreError.__init__(error, message, details)
    return error
