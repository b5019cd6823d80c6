"""What can be trained: the list, one algorithm's hyper-parameters, and the program that shows both."""

from __future__ import annotations

import argparse

from port_worker.repl.results import AlgorithmLine, AlgorithmParameters, Algorithms, ParameterLine
from port_worker.repl.training import known, stages
from port_worker.training.catalogue import ALGORITHMS, Algorithm


def every_algorithm(default: str) -> Algorithms:
    """The list; `default` is what `retrain` trains when none is named."""
    return Algorithms(default, stages("embedding"), stages("network"), [_line(each) for each in ALGORITHMS.values()])


def parameters_of(name: str) -> AlgorithmParameters:
    """One algorithm's. Raises CommandError `unknown_algorithm`, which lists all."""
    chosen = ALGORITHMS[known(name)]
    keys = [ParameterLine(each.name, each.default, each.expected) for each in chosen.parameters]
    return AlgorithmParameters(chosen.name, chosen.kind, _features(chosen), keys)


def _line(algorithm: Algorithm) -> AlgorithmLine:
    extra = "graph" if algorithm.needs_graph else "train"
    keys = [each.name for each in algorithm.parameters]
    return AlgorithmLine(algorithm.name, algorithm.kind, _features(algorithm), list(algorithm.modes), extra, keys)


def _features(algorithm: Algorithm) -> list[str]:
    """Whose features it learns from: users first."""
    return sorted(algorithm.features, reverse=True)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "The algorithms that `retrain` takes, or what the hyper-parameters of one may be."
    parser.add_argument("name", metavar="NAME", nargs="?", help="of an algorithm (default: list all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Show them. Exit status 0, or 1 for a name that is nobody's."""
    from port_worker.config import DEFAULT_ALGORITHM
    from port_worker.repl.errors import EXPECTED, failure
    from port_worker.repl.execute import Outcome
    from port_worker.repl.render import show_json, show_tables

    result: object
    try:
        result = every_algorithm(DEFAULT_ALGORITHM) if args.name is None else parameters_of(args.name)
    except EXPECTED as error:
        result = failure(error)
    outcome = Outcome(" ".join(["algorithms", *filter(None, [args.name])]), result)
    (show_json if args.json else show_tables)(outcome)
    return 0 if outcome.ok else 1
