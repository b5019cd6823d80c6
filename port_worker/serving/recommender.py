"""A served model: whom it is asked for, what may be shown, what ranks highest, and what there is for a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.diversity import MOST_COMPARED, pool_size, select
from port_worker.serving.freshness import Fed, Freshness, Hidden, Moment
from port_worker.serving.history import NOTHING, History, with_fed
from port_worker.serving.ranking import OptionError, Ranked, Ranking, Scorer, Source, Wanted
from port_worker.serving.requests import Id, Ids, RecommendRequest
from port_worker.serving.subject import Features, Subject

_NO_ROWS = np.empty(0, dtype=np.intp)


class Asked(NamedTuple):
    """A request whose options the model can honour, and its items in the model's rows.

    excluded: item rows that are left out. recent, features: those of the call that the model knows, None where it gave
    none of them. ignored: what of the call the model did not know.
    """

    request: RecommendRequest
    excluded: NDArray[np.intp]
    recent: NDArray[np.int32] | None
    features: Features | None
    ignored: tuple[str, ...]


class Answer(NamedTuple):
    """Item rows, best first, and their scores; the model ranked the first `scored` of them, popularity the others."""

    rows: NDArray[np.intp]
    scores: NDArray[np.floating]
    source: Source
    scored: int


class Recommender:
    """Ranks the items of a catalogue by a scorer, as they may be shown now. Holds no state that a call changes."""

    def __init__(self, catalogue: Catalogue, scorer: Scorer, ranking: Ranking, freshness: Freshness) -> None:
        self.catalogue = catalogue
        self.scorer = scorer
        self.freshness = freshness
        self._ranking = ranking

    def ask(self, request: RecommendRequest) -> Asked:
        """The request, checked. Raises OptionError for what the model cannot honour, ValueError for an n below 1.

        Ids may be unknown.
        """
        if request.n < 1:
            raise ValueError(f"n: expected at least 1, got {request.n}")
        if request.filter.kinds is not None:
            self.catalogue.of_kinds(request.filter.kinds)
        if request.diversity > 0:
            self.require("diversity")
        recent, strangers = (None, ()) if request.recent is None else self._recent(request.recent)
        features, unmet = (None, ()) if request.features is None else self._features(request.features)
        excluded = self.catalogue.items.rows(request.filter.exclude)
        return Asked(request, excluded, recent, features, (*strangers, *unmet))

    def require(self, option: str) -> None:
        """Raises OptionError unless the model can honour the option."""
        if option not in self.scorer.options:
            raise OptionError(option, f"one of the options {', '.join(sorted(self.scorer.options))}", option)

    def subject(self, user: Id) -> Subject:
        """What is known of a user now: learnt and fed."""
        fed = self.freshness.look([user]).fed
        return self._subject(self.catalogue.users.lookup(user), None, None, fed.get(user))

    def answer(self, asked: Sequence[Asked]) -> Iterator[list[tuple[int, Answer]]]:
        """Each one's answer with its place in `asked`, as they become ready: a list a slice, which may be empty.

        What is hidden while this goes on is not in what is still to come: an answer that holds it is made anew.
        """
        left = list(range(len(asked)))
        while left:
            places = tuple(left)
            some = [asked[place] for place in places]
            moment = self.freshness.look([each.request.user for each in some])
            for ready in self._rank(some, moment):
                sound = self._sound(ready, moment.hidden)
                for local, _ in sound:
                    left.remove(places[local])
                yield [(places[local], answer) for local, answer in sound]

    def _sound(self, ready: list[tuple[int, Answer]], then: Hidden) -> list[tuple[int, Answer]]:
        """Those without an item that was hidden since they were begun."""
        if not ready or (now := self.freshness.hidden()) is then:
            return ready
        return [(place, answer) for place, answer in ready if not now.any_of(answer.rows)]

    def _rank(self, asked: Sequence[Asked], moment: Moment) -> Iterator[list[tuple[int, Answer]]]:
        """The answers to all, as many at a time as there are after a slice of work."""
        ready: list[tuple[int, Answer]] = []
        for each in self._answers(asked, moment):
            if each is not None:
                ready.append(each)
            if each is None or asked[each[0]].request.diversity > 0:  # which takes milliseconds
                yield ready
                ready = []
        yield ready

    def _answers(self, asked: Sequence[Asked], moment: Moment) -> Iterator[tuple[int, Answer] | None]:
        fed, hidden = moment
        users = [each.request.user for each in asked]
        rows = self.catalogue.users.lookup_each(users)
        subjects = [
            self._subject(row, each.recent, each.features, fed.get(user))
            for each, user, row in zip(asked, users, rows, strict=True)
        ]
        sources = [self.scorer.source(subject) for subject in subjects]
        wanted = [self._wanted(*each, fed, hidden) for each in zip(asked, subjects, strict=True)]
        strangers = [place for place, source in enumerate(sources) if source == "popular"]
        yield from ((place, self._popular(asked[place], wanted[place])) for place in strangers)
        if strangers:
            yield None
        known = [place for place, source in enumerate(sources) if source != "popular"]
        left = iter(known)
        for ranked in self._ranking.rank([wanted[place] for place in known]):
            if ranked is None:
                yield None
            else:
                place = next(left)
                yield place, self._finished(asked[place], wanted[place], ranked, sources[place])

    def _wanted(self, asked: Asked, subject: Subject, fed: Mapping[Id, Fed], hidden: Hidden) -> Wanted:
        request = asked.request
        banned = self._met(asked, subject, fed.get(request.user)) if request.filter_consumed else []
        if asked.excluded.size:
            banned.append(asked.excluded)
        if hidden.shown is None and hidden.rows.size:
            banned.append(hidden.rows)
        n = request.n if request.diversity <= 0 else pool_size(request.n)
        rows = banned[0] if len(banned) == 1 else np.concatenate([_NO_ROWS, *banned])
        return Wanted(subject, n, rows.astype(np.intp, copy=False), self._mask(request.filter.kinds, hidden))

    def _met(self, asked: Asked, subject: Subject, fed: Fed | None) -> list[NDArray[np.integer]]:
        if fed is None and not subject.fresh and self.catalogue.all_teach:
            return [subject.items]  # the very ones that were learnt
        met: list[NDArray[np.integer]] = []
        if subject.row is not None:
            met.append(self.catalogue.consumed(subject.row)[0])
        if fed is not None:
            met.append(fed.rows)
        if asked.recent is not None:
            met.append(asked.recent)
        return met

    def _mask(self, kinds: tuple[str, ...] | None, hidden: Hidden) -> NDArray[np.bool_] | None:
        if kinds is None:
            return hidden.shown
        of_kinds = self.catalogue.of_kinds(kinds)
        return of_kinds if hidden.shown is None else of_kinds & hidden.shown

    def _subject(
        self, row: int | None, recent: NDArray[np.int32] | None, features: Features | None, fed: Fed | None
    ) -> Subject:
        if recent is not None:
            return Subject(row, recent, np.ones(len(recent), dtype=np.float32), fresh=True, features=features)
        learnt = NOTHING if row is None else self.catalogue.learnt(row)
        if fed is None:
            return Subject(row, *learnt, fresh=False, features=features)
        now = with_fed(NOTHING if row is None else History(*self.catalogue.consumed(row)), fed)
        return Subject(row, *now, fresh=not now.equals(History(*learnt)), features=features)

    def _recent(self, recent: Ids) -> tuple[NDArray[np.int32] | None, Sequence[str]]:
        self.require("recent")
        found = self.catalogue.items.places(recent)
        strangers = [f"recent[{place}]" for place in np.flatnonzero(found < 0).tolist()]
        known = found[found >= 0].astype(np.int32)
        return (known if known.size else None), strangers

    def _features(self, features: Features) -> tuple[Features | None, Sequence[str]]:
        self.require("features")
        known, unmet = self.scorer.check_features(features)
        return known or None, [f"features.{name}" for name in unmet]

    def _finished(self, asked: Asked, wanted: Wanted, ranked: Ranked, source: Source) -> Answer:
        request = asked.request
        if request.diversity > 0:
            chosen = self._diverse(ranked.rows, ranked.scores, request)
            ranked = Ranked(ranked.rows[chosen], ranked.scores[chosen])
        if len(ranked.rows) == request.n:
            return Answer(ranked.rows, ranked.scores, source, request.n)
        return self._topped_up(ranked, wanted, request.n, source)

    def _diverse(
        self, rows: NDArray[np.intp], scores: NDArray[np.floating], request: RecommendRequest
    ) -> NDArray[np.intp]:
        best = slice(MOST_COMPARED)
        chosen = select(scores[best], self.scorer.closeness(rows[best]), request.n, request.diversity)
        return np.concatenate([chosen, np.arange(MOST_COMPARED, len(rows))])

    def _topped_up(self, ranked: Ranked, wanted: Wanted, n: int, source: Source) -> Answer:
        """The popular items behind those that the model could score, so that n come back while n exist."""
        banned = np.concatenate([wanted.banned, ranked.rows])
        more = self.catalogue.most_popular(n - len(ranked.rows), banned, wanted.allowed)
        scores = np.concatenate([ranked.scores, np.zeros(len(more), dtype=np.float32)])
        return Answer(np.concatenate([ranked.rows, more]), scores, source, len(ranked.rows))

    def _popular(self, asked: Asked, wanted: Wanted) -> Answer:
        rows = self.catalogue.most_popular(wanted.n, wanted.banned, wanted.allowed)
        scores = self.catalogue.arrays.item_popularity[rows].astype(np.float64)
        if asked.request.diversity > 0:
            chosen = self._diverse(rows, scores, asked.request)
            rows, scores = rows[chosen], scores[chosen]
        return Answer(rows, scores, "popular", len(rows))
