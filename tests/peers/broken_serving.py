"""The defects in the ops that a worker may have: each breaks one clause, as those of `broken_defects` do."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from protocol.atoms import Atom
from protocol.messages import Call
from tests.peers.broken_defects import DEFECTS, codes, defect, greeting, results, takes
from tests.peers.broken_worker import MODEL, Worker, atoms

__all__ = ["DEFECTS"]


def instead(op: str, name: str, is_it: Callable[[Any], bool], value: Any) -> Callable[[Call], Call]:
    """An argument of an op is taken for another value."""

    def change(call: Call) -> Call:
        wrong = call.op == op and name in call.args and is_it(call.args[name])
        return replace(call, args=call.args | {name: value}) if wrong else call

    return change


def is_empty(term: Any) -> bool:
    return bool(term == [])


# Arguments.


takes(
    "arguments.options",
    "takes any diversity",
    instead("recommend", "diversity", lambda diversity: diversity == 1.1, 1.0),
)
takes("arguments.recommend-many", "takes no users", instead("recommend_many", "users", is_empty, [b"ada"]))
takes(
    "arguments.similar",
    "takes any metric",
    instead("similar", "metric", lambda metric: metric == "euclid", Atom("dot")),
)
takes("arguments.score", "scores no items", instead("score", "items", is_empty, [b"m"]))
takes("arguments.explain", "takes true for 1", instead("explain", "n", lambda n: n is True, 1))
takes(
    "arguments.feedback",
    "takes a weight that is no number",
    instead("feedback", "weights", lambda weights: isinstance(weights, tuple), [1.0]),
)
for _op in ("hide_items", "show_items"):
    takes(f"arguments.{_op.replace('_', '-')}", f"{_op} of none", instead(_op, "items", is_empty, [b"m"]))


takes(
    "arguments.activate",
    "activates an atom",
    instead("activate", "version", lambda version: isinstance(version, Atom), b"v1"),
)


# What models can do.


greeting(
    "hello.model-kind",
    "an option that is none",
    lambda facts: facts | atoms(model=MODEL | atoms(options=[*MODEL["options"], b"fly"])),
)
results(
    "ops.recommend-scored",
    "scored more than there is",
    "recommend",
    lambda facts: facts | atoms(scored=facts["scored"] + 100),
)


takes(
    "ops.recommend-kinds",
    "takes any kind",
    instead("recommend", "kinds", lambda kinds: kinds == [b"no item has this id"], None),
)
takes(
    "ops.unsupported-option",
    "ignores features",
    instead("recommend", "features", lambda features: features == {b"age": 7}, None),
)


# Many users.


results(
    "ops.recommend-many",
    "sources that are others",
    "recommend_many",
    lambda facts: facts | atoms(source_names=facts["source_names"][::-1]),
)


def _scores_of_none(facts: dict[Any, Any]) -> dict[Any, Any]:
    places, (kind, scores) = facts["items"][1], facts["scores"]
    none = struct.pack("<f", 7.0)
    parts = [none if places[at : at + 4] == b"\xff" * 4 else scores[at : at + 4] for at in range(0, len(scores), 4)]
    return facts | atoms(scores=(kind, b"".join(parts)))


results("ops.recommend-many-rest", "a score where no item is left", "recommend_many", _scores_of_none)
codes(
    "ops.recommend-many-too-large",
    "calls too large a reply an overload",
    "recommend_many",
    "overloaded",
    "reply_too_large",
)


@defect("ops.recommend-many-cancel", "answers a recommend_many that it has cancelled")
class AnswersCancelledMany(Worker):
    def cancel(self, call_id: int) -> None:
        queue = list(self.queue)
        super().cancel(call_id)
        self.queue = [call for call in queue if call.id != call_id or call.op == "recommend_many"]


# Items like one, scores, reasons.


@defect("ops.similar", "an item is most like itself")
class LikesItself(Worker):
    def similar(self, args: dict[str, Any]) -> Any:
        facts = super().similar(args)
        return facts | atoms(items=[(args["item"], 2.0), *facts["items"][1:]])


codes("ops.unknown-item", "calls an unknown item invalid", "explain", "invalid_argument", "unknown_item")
results(
    "ops.score",
    "an unknown item scores 0.0",
    "score",
    lambda facts: (
        facts | atoms(scores=[score or 0.0 for score in facts["scores"]])
        if isinstance(facts["scores"], list)
        else facts
    ),
)
results("ops.explain", "a method as a binary", "explain", lambda facts: facts | atoms(method=b"exact"))


# What is kept.


results("ops.feedback", "accepts the first", "feedback", lambda facts: facts | atoms(accepted=1))


@defect("ops.feedback-consumed", "recommends what was fed")
class RecommendsFed(Worker):
    def ranked(self, args: dict[str, Any]) -> Any:
        return super().ranked(args | {"filter_consumed": False})


@defect("ops.feedback-fold-in", "folds nobody in")
class FoldsNobody(Worker):
    def source(self, _user: Any) -> Atom:
        return Atom("popular")


@defect("ops.hide-items", "hides nothing from many")
class ShowsMany(Worker):
    def recommend_many(self, args: dict[str, Any]) -> Any:
        hidden, self.hidden = self.hidden, set()
        facts = super().recommend_many(args)
        self.hidden = hidden
        return facts


@defect("ops.show-items", "shows nothing again")
class ShowsNothing(Worker):
    def show_items(self, args: dict[str, Any]) -> Any:
        return self.hiding(args, lambda _items: self.hidden)


# Which version answers.


codes("ops.activate-unknown", "calls an unknown version invalid", "activate", "invalid_argument", "unknown_version")


@defect("ops.activate", "activates the other version in name alone")
class ActivatesInNameAlone(Worker):
    def activate(self, args: dict[str, Any]) -> Any:
        version, result = self.version, super().activate(args)
        self.version = version
        return result


@defect("ops.rollback", "rolls back to where it is")
class RollsBackToItself(Worker):
    def rollback(self, args: dict[str, Any]) -> Any:
        version, result = self.version, super().rollback(args)
        self.version = version
        return result | atoms(version=version)
