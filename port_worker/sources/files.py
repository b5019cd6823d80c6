"""What CSV and Parquet files have in common: interactions only, kept in memory once read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import errors
from port_worker.sources.base import ItemCard, Progress, UserCard, Visit
from port_worker.sources.chunks import Chunk, read_chunks
from port_worker.sources.columns import TEXT_RULES, Id, IdArray, Interactions, Rules, distinct, id_of, key_of
from port_worker.sources.features import FeatureTable, Kinds

COLUMNS = ("user", "item", "label", "time")


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file's content, valid as long as the file's `stamp` is the same."""

    stamp: tuple[int, int]
    interactions: Interactions
    user_ids: IdArray  # (n_users,) ascending
    user_rows: NDArray[np.int64]  # (n_users,) rows of each


class FileSource(ABC):
    """Interactions in one file with the columns user, item, label, time; others are ignored.

    The first row decides whether an id column holds integers or text.
    """

    scheme: ClassVar[str]
    rules: ClassVar[Rules]

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: _Loaded | None = None

    @abstractmethod
    def _chunks(self) -> Iterator[Chunk]:
        """The file's rows in order. An OSError needs no care: whoever asks for chunks translates it."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def spec(self) -> str:
        return f"{self.scheme}:{self.path}"

    def interactions(self, progress: Progress | None = None) -> Interactions:
        return self._load(progress).interactions

    def items(self, ids: Iterable[Id]) -> dict[Id, ItemCard]:
        return {item: ItemCard(item) for item in ids}

    def users(self, ids: Iterable[Id]) -> dict[Id, UserCard]:
        return {user: UserCard(user) for user in ids}

    def item_kinds(self, ids: IdArray) -> Kinds:
        return Kinds.none(len(ids))

    def item_features(self, ids: IdArray) -> FeatureTable | None:  # noqa: ARG002 a file has none of anyone
        return None

    def user_features(self, ids: IdArray) -> FeatureTable | None:  # noqa: ARG002 a file has none of anyone
        return None

    def history(self, user: Id, limit: int) -> list[Visit]:
        data = self._load().interactions
        key = key_of(data.users, user)
        if key is None:
            return []
        rows = np.flatnonzero(data.users == key)
        newest = rows[np.lexsort((-rows, -data.times[rows]))][:limit]
        return [Visit(id_of(data.items[i]), None, float(data.weights[i]), int(data.times[i])) for i in newest]

    def sample_users(self, count: int) -> list[UserCard]:
        loaded = self._load()
        most_active = np.argsort(-loaded.user_rows, kind="stable")[:count]
        return [UserCard(id_of(user)) for user in loaded.user_ids[most_active]]

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        ids = self._load().user_ids.astype(np.bytes_)
        matching = np.flatnonzero(np.char.startswith(ids, prefix.encode(errors="replace")))[:limit]
        return [UserCard(id_of(user)) for user in self._load().user_ids[matching]]

    def resolve_user(self, text: str) -> Id:
        return self._resolve("user", text)

    def resolve_item(self, text: str) -> Id:
        return self._resolve("item", text)

    def _resolve(self, column: str, text: str) -> Id:
        """`text` as an id of the type that the file's first row decides, read without the rest of the file."""
        with self._opened():
            first = next(self._chunks(), None)
        if first is None:
            return text
        rule = self.rules.id_rule(first.columns[COLUMNS.index(column)][0])
        is_integer = rule is self.rules.integer_id and TEXT_RULES.integer_id.accepts(text)
        return int(text) if is_integer else text

    def _load(self, progress: Progress | None = None) -> _Loaded:
        with self._opened():
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._loaded is None or self._loaded.stamp != stamp:
                interactions = read_chunks(self.path, COLUMNS, self._chunks(), self.rules, progress)
                self._loaded = _Loaded(stamp, interactions, *distinct(interactions.users))
        return self._loaded

    @contextmanager
    def _opened(self) -> Iterator[None]:
        try:
            if self.path.exists() and not self.path.is_file():
                raise errors.unreadable(self.path, "not a regular file")
            yield
        except OSError as error:
            raise errors.of_os_error(self.path, error) from None
