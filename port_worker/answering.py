"""Calls that a model answers: from checked arguments to requests of `serving`, from its answers to terms."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from port_worker.scheduler import Lane, Work
from port_worker.serving.about_items import UnknownItemError, explain, score, similar
from port_worker.serving.bulk import Pace, recommend_many
from port_worker.serving.opening import SUPPORT, ServedModel
from port_worker.serving.ranking import Metric, OptionError, Source
from port_worker.serving.recommender import Answer, Asked
from port_worker.serving.requests import SOURCES, Filter, ManyRequest, RecommendRequest, SimilarRequest
from port_worker.serving.steps import Steps
from port_worker.store.errors import StoreError
from protocol.arguments import Explain, Recommend, RecommendMany, Score, Similar
from protocol.atoms import Atom
from protocol.columns import Ids, Pairs, id_column, integer_column, pair_batch, score_column
from protocol.erlang_syntax import shorten
from protocol.errors import ProtocolError
from protocol.limits import Limits
from protocol.map_template import FilledMap, MapTemplate
from protocol.messages import atom_keys

T = TypeVar("T")
Outcome = tuple[Work, Any]
"""A call and its result, or the ProtocolError that ends it."""


class Answering:
    """Starts what a model is asked; each step of what it returns ends some calls, and others run in between."""

    def __init__(self, limits: Limits, pace: Pace) -> None:
        self._limits = limits
        self._pace = pace

    def start(self, model: ServedModel, due: Sequence[Work]) -> Iterator[list[Outcome]]:
        """The calls of one batch, or a single one of another op. What it raises ends all that are open."""
        if due[0].lane is not Lane.BULK:
            self._pace.hurry()
        return _told(self._steps(model, due))

    def _steps(self, model: ServedModel, due: Sequence[Work]) -> Iterator[list[Outcome]]:
        match due[0].arguments:
            case Recommend():
                return _recommend(model, due)
            case RecommendMany():
                return self._recommend_many(model, due[0])
            case Similar():
                return _similar(model, due[0])
            case Score():
                return _score(model, due[0])
            case Explain():
                return _explain(model, due[0])
        raise AssertionError(f"no op of a model: {due[0].op}")

    def _recommend_many(self, model: ServedModel, work: Work) -> Iterator[list[Outcome]]:
        arguments: RecommendMany = work.arguments
        request = ManyRequest(
            arguments.users,
            arguments.n,
            Filter(arguments.exclude, arguments.kinds),
            arguments.filter_consumed,
        )
        try:
            found = yield from _nothing_yet(recommend_many(model.recommender, request, self._pace))
        except OptionError as error:
            raise refusal(error, model) from error
        result = atom_keys(
            ids=id_column(found.ids),
            items=integer_column(found.items),
            scores=score_column(found.scores),
            sources=integer_column(found.sources),
            source_names=[Atom(source) for source in SOURCES],
            n=arguments.n,
            model=model.version,
        )
        yield [(work, result)]

    def check_reply(self, arguments: RecommendMany) -> None:
        """Before the work: each item of each user takes a place of four bytes and a score of four. Raises ProtocolError
        for more than a frame holds."""
        size, most = len(arguments.users) * arguments.n * 8, self._limits.max_frame_bytes
        if size > most:
            expected, got = f"at most {most} bytes", f"{size} bytes for the items of {len(arguments.users)} users alone"
            message = f"reply: expected {expected}, got {got}; ask for less"
            raise ProtocolError("reply_too_large", message, {"field": "reply", "expected": expected, "got": got})


def _told(steps: Iterator[list[Outcome]]) -> Iterator[list[Outcome]]:
    """The same steps; what the live store cannot tell is an error of the protocol."""
    try:
        yield from steps
    except StoreError as error:
        raise ProtocolError(error.code, str(error), error.details) from error


def _nothing_yet(steps: Steps[T]) -> Generator[list[Outcome], None, T]:
    """Steps as slices in which no call ends."""
    while True:
        step = _step(steps)
        if step is not None:
            return step[0]
        yield []


def _step(steps: Steps[T]) -> tuple[T] | None:
    """One slice; at the end, the result."""
    try:
        next(steps)
    except StopIteration as end:
        return (end.value,)
    return None


_OPTION_OF = {"metric": "dot"}
"""What a model must have for an argument, where that has another name."""


def refusal(error: OptionError, model: ServedModel) -> ProtocolError:
    """The error for an option that the model cannot honour, or not with this value."""
    if error.field in SUPPORT and _OPTION_OF.get(error.field, error.field) not in model.options:
        supported_by = SUPPORT[error.field]
        message = f"{error.field}: expected a model that honours it ({supported_by}), got {model.algorithm}"
        details = {"field": error.field, "algorithm": model.algorithm, "kind": model.kind, "supported_by": supported_by}
        return ProtocolError("unsupported_option", message, details)
    details = {"field": error.field, "expected": error.expected, "got": str(error.got)}
    return ProtocolError("invalid_argument", str(error), details | ({"known": error.known} if error.known else {}))


def _unknown_item(error: UnknownItemError) -> ProtocolError:
    got = shorten(error.item.encode() if isinstance(error.item, str) else error.item)
    expected = "one that the model knows"
    return ProtocolError(
        "unknown_item", f"item: expected {expected}, got {got}", {"field": "item", "expected": expected, "got": got}
    )


def _recommend(model: ServedModel, due: Sequence[Work]) -> Iterator[list[Outcome]]:
    asked: list[tuple[Work, Asked]] = []
    refused: list[Outcome] = []
    for work in due:
        found = _asked(model, work.arguments)
        if isinstance(found, Asked):
            asked.append((work, found))
        else:
            refused.append((work, found))
    if refused:
        yield refused
    for ready in model.recommender.answer([each for _, each in asked]):
        yield _recommended(model, [(*asked[place], answer) for place, answer in ready])


def _asked(model: ServedModel, arguments: Recommend) -> Asked | ProtocolError:
    try:
        return model.recommender.ask(_request(arguments))
    except OptionError as error:
        return refusal(error, model)


def _request(arguments: Recommend) -> RecommendRequest:
    return RecommendRequest(
        arguments.user,
        arguments.n,
        Filter(arguments.exclude, arguments.kinds),
        arguments.filter_consumed,
        arguments.diversity,
        arguments.recent,
        arguments.features,
    )


def _recommended(model: ServedModel, answers: Sequence[tuple[Work, Asked, Answer]]) -> list[Outcome]:
    ids = _ids(model, [answer.rows for _, _, answer in answers])
    laid = _laid_items([(work, each, answer.scores) for (work, _, answer), each in zip(answers, ids, strict=True)])
    return [
        (work, _result(model.version, asked, answer, items))
        for (work, asked, answer), items in zip(answers, laid, strict=True)
    ]


def _ids(model: ServedModel, rows: Sequence[NDArray[np.intp]]) -> list[Ids]:
    """Those of each, found for all of them in one go."""
    column = model.recommender.catalogue.items.column
    if len(rows) < 2:
        return [column(each) for each in rows]
    found = column(np.concatenate(rows))
    ends = accumulate(map(len, rows), initial=0)
    return [found[start:end] for start, end in pairwise(ends)]


def _result(version: str, asked: Asked, answer: Answer, items: Any) -> FilledMap:
    exhausted = len(answer.rows) < asked.request.n
    return FilledMap(_template(version, answer.source, answer.scored, exhausted, asked.ignored), items)


_TEMPLATES = 64
"""Of the answers of a moment; each may name what it ignored, which is up to the caller."""


@lru_cache(maxsize=_TEMPLATES)
def _template(version: str, source: Source, scored: int, exhausted: bool, ignored: tuple[str, ...]) -> MapTemplate:
    return MapTemplate(
        _ITEMS,
        (
            (_MODEL, version),
            (_SOURCE, _SOURCES[source]),
            (_SCORED, scored),
            (_EXHAUSTED, exhausted),
            (_IGNORED, list(ignored)),
        ),
    )


# Made once: of all that is answered nothing is made as often.
_ITEMS, _MODEL, _SOURCE, _SCORED, _EXHAUSTED, _IGNORED = map(
    Atom, ("items", "model", "source", "scored", "exhausted", "ignored")
)
_SOURCES = {source: Atom(source) for source in SOURCES}


def _laid_items(parts: Sequence[tuple[Work, Ids, Any]]) -> list[Any]:
    """The ids and scores of each answer in the form that its caller asked for; all lists of pairs at once."""
    pairs = iter(pair_batch([(ids, scores) for work, ids, scores in parts if _wants_pairs(work)]))
    return [
        next(pairs) if _wants_pairs(work) else atom_keys(ids=id_column(ids), scores=score_column(scores))
        for work, ids, scores in parts
    ]


def _wants_pairs(work: Work) -> bool:
    return bool(work.arguments.form == "pairs")


def _similar(model: ServedModel, work: Work) -> Iterator[list[Outcome]]:
    arguments: Similar = work.arguments
    metric: Metric = "dot" if arguments.metric == "dot" else "cosine"
    request = SimilarRequest(arguments.item, arguments.n, metric, Filter(arguments.exclude, arguments.kinds))
    try:
        found = similar(model.recommender, request)
    except OptionError as error:
        raise refusal(error, model) from error
    except UnknownItemError as error:
        raise _unknown_item(error) from error
    [items] = _laid_items([(work, found.ids, found.scores)])
    yield [(work, atom_keys(items=items, model=model.version, metric=Atom(metric), exhausted=found.exhausted))]


def _score(model: ServedModel, work: Work) -> Iterator[list[Outcome]]:
    arguments: Score = work.arguments
    found = yield from _nothing_yet(score(model.recommender, arguments.user, arguments.items))
    scores = _plain_scores(found.scores) if _wants_pairs(work) else score_column(found.scores)
    yield [(work, atom_keys(scores=scores, source=Atom(found.source), model=model.version))]


def _plain_scores(scores: Any) -> list[float | None]:
    return [None if unknown else value for unknown, value in zip(np.isnan(scores), scores.tolist(), strict=True)]


def _explain(model: ServedModel, work: Work) -> Iterator[list[Outcome]]:
    arguments: Explain = work.arguments
    try:
        found = yield from _nothing_yet(explain(model.recommender, arguments.user, arguments.item, arguments.n))
    except OptionError as error:
        raise refusal(error, model) from error
    except UnknownItemError as error:
        raise _unknown_item(error) from error
    result = atom_keys(
        items=Pairs(found.ids, found.contributions),
        score=found.score,
        source=Atom(found.source),
        model=model.version,
        method=Atom("exact" if found.exact else "similarity"),
    )
    yield [(work, result)]
