"""What is typed to train, as arguments of `retrain`: one algorithm, or `RETRIEVER+RANKER` for two stages."""

from __future__ import annotations

from collections.abc import Mapping

from port_worker.repl.arguments import UsageError
from port_worker.repl.errors import CommandError
from port_worker.training.catalogue import ALGORITHMS
from protocol.atoms import Atom

JOINED = "+"
OF_RETRIEVER = "retriever."
CANDIDATES = "candidates"
OF_THE_CALL = ("mode", "activate", "source", "epochs", "seed", "budget_s")
"""Keys that are arguments of the call itself, of one algorithm and of two alike."""

_ATOMS = ("mode", "activate")


def canonical(name: str) -> str:
    """The name of an algorithm, or of two, in its own spelling; as it was typed where there is none.

    What does not exist, or makes no pair, is for the worker to refuse.
    """
    own = {each.lower(): each for each in ALGORITHMS}
    return JOINED.join(own.get(part.lower(), part) for part in name.split(JOINED))


def known(name: str) -> str:
    """The name of one algorithm in its own spelling. Raises CommandError `unknown_algorithm`, which lists all."""
    algorithm = canonical(name)
    if algorithm not in ALGORITHMS:
        message = f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {name[:80]!r}"
        raise CommandError("unknown_algorithm", message, {"algorithm": name[:80], "known": list(ALGORITHMS)})
    return algorithm


def known_stages(name: str) -> str:
    """As `known`, of one algorithm or of a retriever and a ranker."""
    return JOINED.join(known(part) for part in name.split(JOINED, 1))


def stages(kind: str) -> list[str]:
    """The algorithms of a kind: of `embedding` those that can retrieve, of `network` those that can rank."""
    return [each.name for each in ALGORITHMS.values() if each.kind == kind]


def retrain_arguments(algorithm: str, params: Mapping[str, object]) -> dict[str, object]:
    """The call's arguments. Of two stages, `retriever.NAME` in `params` is the retriever's, `candidates` neither's.

    What is not OF_THE_CALL are hyper-parameters. Raises UsageError for what does not go together.
    """
    general = {key: _of_the_call(key, value) for key, value in params.items() if key in OF_THE_CALL}
    return general | _fitted(algorithm, {key: value for key, value in params.items() if key not in OF_THE_CALL})


def _of_the_call(key: str, value: object) -> object:
    """As the worker takes it, which judges it."""
    if key in _ATOMS:
        return Atom(str(value))
    return str(value) if key == "source" else value


def _fitted(algorithm: str, params: Mapping[str, object]) -> dict[str, object]:
    retriever, joined, ranker = algorithm.partition(JOINED)
    of_retriever = {key: value for key, value in params.items() if key.startswith(OF_RETRIEVER)}
    if not joined:
        if of_retriever:
            raise UsageError(f"{next(iter(of_retriever))} is for two stages, RETRIEVER+RANKER")
        return {"algorithm": algorithm, "params": dict(params)}
    if not retriever or not ranker:
        raise UsageError(f"expected RETRIEVER+RANKER, got {algorithm[:80]!r}")
    own = {key: value for key, value in params.items() if key not in of_retriever and key != CANDIDATES}
    given = {CANDIDATES: params[CANDIDATES]} if CANDIDATES in params else {}
    return {
        "retriever": retriever,
        "ranker": ranker,
        "params": own,
        "retriever_params": {key.removeprefix(OF_RETRIEVER): value for key, value in of_retriever.items()},
        **given,
    }
