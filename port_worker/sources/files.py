"""What CSV and Parquet files have in common: interactions only, kept in memory once read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from port_worker.sources import errors
from port_worker.sources.base import ItemCard, Progress, UserCard, Visit
from port_worker.sources.chunks import Chunk, Expected, id_rule, read_chunks
from port_worker.sources.columns import TEXT_RULES, Id, IdArray, Interactions, Rules, id_of, key_of
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.features import FeatureTable, Kinds
from port_worker.sources.selection import after, frequent, lower_bound, wall_clock

Names = tuple[str, str, str, str]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file's content, valid as long as the file's `stamp` is the same."""

    stamp: tuple[int, int]
    interactions: Interactions


class FileSource(ABC):
    """Interactions in one file with the columns user, item, label, time, or as its definition calls them; others are
    ignored. Where the definition gives weights by kind, there is a column kind instead of the label.

    The first row decides whether an id column holds integers or text.
    """

    scheme: ClassVar[str]
    rules: ClassVar[Rules]

    def __init__(self, path: Path, definition: SourceDefinition | None = None) -> None:
        self.path = path
        self.definition = definition or SourceDefinition(self.spec)
        self.origin = errors.Origin(self.definition.name, str(path))
        self.columns = _columns(self.definition)
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

    def interactions(self, progress: Progress | None = None, since: float | None = None) -> Interactions:
        found = self._load(progress)
        bound = lower_bound(self.definition, since, wall_clock())
        selected = after(self.origin, found, bound)
        return selected if since is not None else frequent(self.origin, selected, self.definition)

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
        data = self._load()
        code = _place(data.users.ids, user)
        if code is None:
            return []
        rows = np.flatnonzero(data.users.codes == code)
        newest = rows[np.lexsort((-rows, -data.times[rows]))][:limit]
        items = data.items.ids[data.items.codes[newest]]
        facts = zip(items, data.weights[newest].tolist(), data.times[newest].tolist(), strict=True)
        return [Visit(id_of(item), None, weight, time) for item, weight, time in facts]

    def sample_users(self, count: int) -> list[UserCard]:
        users = self._load().users
        most_active = np.argsort(-users.counts, kind="stable")[:count]
        return [UserCard(id_of(user)) for user in users.ids[most_active]]

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        ids = self._load().users.ids
        texts = ids.astype(np.bytes_)
        matching = np.flatnonzero(np.char.startswith(texts, prefix.encode(errors="replace")))[:limit]
        return [UserCard(id_of(user)) for user in ids[matching]]

    def resolve_user(self, text: str) -> Id:
        return self._resolve(0, text)

    def resolve_item(self, text: str) -> Id:
        return self._resolve(1, text)

    def _resolve(self, column: int, text: str) -> Id:
        """`text` as an id of the type that the file's first row decides, read without the rest of the file."""
        with self._opened():
            first = next(self._chunks(), None)
        if first is None or not first.places:
            return text
        rule = id_rule(self.rules, first.columns[column])
        is_integer = rule is self.rules.integer_id and TEXT_RULES.integer_id.accepts(text)
        return int(text) if is_integer else text

    def _load(self, progress: Progress | None = None) -> Interactions:
        with self._opened():
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._loaded is None or self._loaded.stamp != stamp:
                rules = self.rules.weighing(self.definition.weights)
                expected = Expected(self.origin, self.columns, rules, self.definition.malformed)
                self._loaded = _Loaded(stamp, read_chunks(expected, self._chunks(), progress))
        return self._loaded.interactions

    @contextmanager
    def _opened(self) -> Iterator[None]:
        try:
            if self.path.exists() and not self.path.is_file():
                raise errors.unreadable(self.origin, "not a regular file")
            yield
        except OSError as error:
            raise errors.of_os_error(self.origin, error) from None


def _columns(definition: SourceDefinition) -> Names:
    named = definition.interactions
    weight = named.kind or "kind" if definition.weights else named.weight or "label"
    return named.user or "user", named.item or "item", weight, named.time or "time"


def _place(ids: IdArray, user: Id) -> int | None:
    """Where an id is among ascending ones."""
    key = key_of(ids, user)
    if key is None:
        return None
    place = int(np.searchsorted(ids, key))
    return place if place < len(ids) and ids[place] == key else None
