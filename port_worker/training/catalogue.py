"""The algorithms that can be trained, and their hyper-parameters. Standard library only: the worker imports it.

Names, meanings and, unless a parameter's `ours` says why not, defaults are LibRecommender's 1.5.2; a test compares them
with the signatures of its classes.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from port_worker.training.errors import TrainingError
from port_worker.training.hyperparameter import HyperParameter, Value, refused

Params = dict[str, Value]
Owner: TypeAlias = Literal["user", "item"]
Mode: TypeAlias = Literal["full", "incremental", "warm"]

_MODES: Mapping[str, tuple[Mode, ...]] = {
    "als": ("full", "warm"),
    "tensorflow": ("full", "incremental", "warm"),
    "torch": ("full", "incremental", "warm"),
}
"""By family, from what a training may start: `modes` says what they mean. What is not here is fitted in full only.

ALS solves for each user's vector anew from what it is fitted on, so on newer pairs alone it forgets whoever is absent
from them: their HR@20 fell from .458 to .071. UserCF and ItemCF have nothing to start from; RsItemCF, Item2Vec and
DeepWalk lost (.394 to .321, .261 to .227); RsUserCF did not, and takes a second in full. Swing panicked.
"""

STAND_IN_MARK = "__port_worker_stand_in__"
"""The attribute that tells `torch_stand_in`'s module from the real torch."""

_TRAIN_MODULES = ("libreco", "tensorflow", "tf_keras", "pandas", "scipy", "sklearn", "gensim", "recfarm", "tqdm")


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: `name` is also LibRecommender's class; `family` is the training loop that it uses."""

    name: str
    family: str  # als, tensorflow, gensim, torch, cf or rust
    parameters: tuple[HyperParameter, ...]
    kind: str = "embedding"
    features: frozenset[Owner] = frozenset()  # whose features it learns from, where the source has any

    @property
    def needs_graph(self) -> bool:
        """Whether it needs the extra `graph`, which is torch."""
        return self.family == "torch"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """From what a training of it may start."""
        return _MODES.get(self.family, ("full",))


def _integer(name: str, default: int | None, low: int, high: int, *, nullable: bool = False) -> HyperParameter:
    return HyperParameter(name, "integer", default, low, high, nullable=nullable)


def _float(name: str, default: float | None, low: float, high: float, *, nullable: bool = False) -> HyperParameter:
    return HyperParameter(name, "float", default, low, high, nullable=nullable)


def _positive(name: str, default: float, high: float, ours: str = "") -> HyperParameter:
    return HyperParameter(name, "float", default, 0, high, above_low=True, ours=ours)


def _boolean(name: str, default: bool) -> HyperParameter:
    return HyperParameter(name, "boolean", default)


def _choice(name: str, *choices: str) -> HyperParameter:
    """The first choice is the default."""
    return HyperParameter(name, "choice", choices[0], choices=choices)


def _layers(name: str, *default: int) -> HyperParameter:
    return HyperParameter(name, "integers", list(default), 1, 4096)


_EMBED_SIZE = _integer("embed_size", 16, 1, 1024)
_NORM_EMBED = _boolean("norm_embed", False)
_SEED = _integer("seed", 42, 0, 2**31 - 1)
_N_EPOCHS = _integer("n_epochs", 20, 1, 10_000)
_DROPOUT = HyperParameter("dropout_rate", "float", None, 0, 0.99, nullable=True)
_NUM_NEG = _integer("num_neg", 1, 1, 1000)
_SAMPLER = _choice("sampler", "random", "unconsumed", "popular")
_SEQUENCE = (_integer("recent_num", 10, 1, 1000, nullable=True), _integer("random_num", None, 1, 1000, nullable=True))
_TEMPERED = "more recall: unit vectors with a low temperature"


def _steps(lr: float, batch_size: int, n_epochs: int, epsilon: float) -> tuple[HyperParameter, ...]:
    """What all that learn by gradients have. Ours were tried on the fixture: seconds to fit, and recall."""
    ours = "larger batches and steps: several times faster than 0.001 with 256, to about the same recall"
    enough = "enough with the larger steps, and epochs of these are long"
    return (
        _EMBED_SIZE, replace(_N_EPOCHS, default=n_epochs, ours=enough if n_epochs != _N_EPOCHS.default else ""),
        _positive("lr", lr, 1, ours), _boolean("lr_decay", False), _positive("epsilon", epsilon, 1),
        _float("reg", None, 0, 100, nullable=True),
        HyperParameter("batch_size", "integer", batch_size, 1, 2**20, ours=ours), _SEED,
    )  # fmt: skip


_FACTORS = _steps(5e-3, 2048, 20, epsilon=1e-5)
_NETWORK = _steps(5e-3, 2048, 10, epsilon=1e-5)
_RETRIEVAL = _steps(5e-3, 512, 10, epsilon=1e-5)
_RECURRENT = _steps(1e-2, 512, 10, epsilon=1e-5)
_POINTWISE = (_choice("loss_type", "cross_entropy", "focal"), _SAMPLER, _NUM_NEG)
_TORCH = (_boolean("amsgrad", False), _NUM_NEG, _positive("margin", 1.0, 100))
_GRAPH = (*_steps(2e-2, 8192, 20, epsilon=1e-8), *_TORCH)  # each batch passes through the whole graph
_FEW_SENTENCES = "with 16 and 10 epochs it knows less than popularity: users and walks are few sentences to learn from"
_GENSIM = (
    replace(_EMBED_SIZE, default=64, ours=_FEW_SENTENCES), replace(_N_EPOCHS, default=20, ours=_FEW_SENTENCES), _SEED
)  # fmt: skip
_FIFTY_EPOCHS = replace(_N_EPOCHS, default=50, ours=_FEW_SENTENCES)
_WINDOW = _integer("window_size", 5, 1, 1000)
_WINDOW_OF_30 = replace(_WINDOW, default=30, ours="more recall: what a user has met weeks apart is alike too")
_UNIT = replace(_NORM_EMBED, default=True, ours="more recall: popular items have no longer vectors")
_SAGE = (
    *_steps(5e-3, 2048, 5, epsilon=1e-8), *_TORCH,
    replace(_choice("paradigm", "u2i", "i2i"), ours="more recall, as long as items have no features"),
    _float("dropout_rate", 0.0, 0, 0.99), _boolean("remove_edges", False),
    _integer("num_layers", 2, 1, 8), _integer("num_neighbors", 3, 1, 1000), _integer("num_walks", 10, 1, 1000),
    _integer("sample_walk_len", 5, 1, 1000), _choice("sampler", "random", "unconsumed", "popular", "out-batch"),
    _choice("start_node", "random", "unpopular"), _boolean("focus_start", False),
)  # fmt: skip

# Of the networks that rank.
_RANKING = (*_NETWORK, *_POINTWISE)
_ALL_FEATURES: frozenset[Owner] = frozenset({"user", "item"})
_DEEP = (_boolean("use_bn", True), _DROPOUT, _layers("hidden_units", 128, 64, 32))
_ATTENTION_HEADS = _integer("num_heads", 2, 1, 64)
_SLOW = "larger batches and steps: four times faster than 0.0001 with 256, to twice the recall"


def _with(parameters: tuple[HyperParameter, ...], *others: HyperParameter) -> tuple[HyperParameter, ...]:
    """The parameters, some exchanged for others of the same name."""
    by_name = {each.name: each for each in others}
    return tuple(by_name.get(each.name, each) for each in parameters)


def _without(parameters: tuple[HyperParameter, ...], name: str) -> tuple[HyperParameter, ...]:
    return tuple(each for each in parameters if each.name != name)


_K_SIM = _integer("k_sim", 20, 1, 1000)
_K_USERS = replace(_K_SIM, default=100, ours="more recall: 20 users together have met too little")
_NEIGHBOURS = (_integer("min_common", 1, 1, 10_000), _choice("mode", "invert", "forward"), _SEED)
# Not `pearson`: our labels are all 1, so nobody departs from their mean, and it finds no neighbours at all.
_SIMILARITY = (_choice("sim_type", "cosine", "jaccard"), _integer("block_size", None, 1, 2**20, nullable=True))

_ALGORITHMS = (
    Algorithm("ALS", "als", (
        _EMBED_SIZE, replace(_N_EPOCHS, default=10),
        _positive("reg", 10.0, 1e6, "it has none, and refuses to do without"),
        _positive("alpha", 1.0, 1e6, "more recall than with 10: our weights tell confidence already"),
        _boolean("use_cg", True), _SEED,
    )),
    Algorithm("BPR", "tensorflow", (*_FACTORS, _choice("loss_type", "bpr"), _NORM_EMBED, _SAMPLER, _NUM_NEG)),
    Algorithm("SVD", "tensorflow", (*_FACTORS, *_POINTWISE, _NORM_EMBED)),
    Algorithm("SVDpp", "tensorflow", (*_FACTORS, *_POINTWISE, _integer("recent_num", 30, 1, 1000, nullable=True))),
    Algorithm("TwoTower", "tensorflow", (
        *_RETRIEVAL, _choice("loss_type", "softmax", "cross_entropy", "max_margin"),
        replace(_NORM_EMBED, default=True, ours=_TEMPERED), _SAMPLER, _NUM_NEG,
        _boolean("use_bn", True), _DROPOUT, _layers("hidden_units", 128, 64, 32), _positive("margin", 1.0, 100),
        _boolean("use_correction", True),
        replace(_float("temperature", 0.1, 0, 100), ours=_TEMPERED), _boolean("remove_accidental_hits", False),
    ), features=frozenset({"user", "item"})),
    Algorithm("YouTubeRetrieval", "tensorflow", (
        *_RETRIEVAL, _choice("loss_type", "sampled_softmax", "nce"), _NORM_EMBED, _boolean("use_bn", True), _DROPOUT,
        _layers("hidden_units", 128, 64), _integer("num_sampled_per_batch", None, 1, 2**20, nullable=True),
        _choice("sampler", "uniform", "log_uniform"), *_SEQUENCE,
    ), features=frozenset({"user"})),
    Algorithm("Item2Vec", "gensim", (*_with(_GENSIM, _FIFTY_EPOCHS), _WINDOW_OF_30, _UNIT)),
    Algorithm("DeepWalk", "gensim", (
        *_GENSIM, _WINDOW, _UNIT, _integer("n_walks", 10, 1, 1000), _integer("walk_length", 10, 1, 1000),
    )),
    Algorithm("RNN4Rec", "tensorflow", (
        *_RECURRENT,
        replace(_choice("loss_type", "bpr", "cross_entropy", "focal"), ours="more recall than with cross entropy"),
        _choice("rnn_type", "gru", "lstm"), _NORM_EMBED, _SAMPLER, _NUM_NEG, _DROPOUT, _layers("hidden_units", 16),
        _boolean("use_layer_norm", False),
        *_SEQUENCE,
    )),
    Algorithm("Caser", "tensorflow", (
        *_NETWORK, *_POINTWISE, _NORM_EMBED, _boolean("use_bn", False), _DROPOUT, _integer("nh_filters", 2, 1, 1024),
        _integer("nv_filters", 4, 1, 1024), *_SEQUENCE,
    )),
    Algorithm("WaveNet", "tensorflow", (
        *_NETWORK, *_POINTWISE, _NORM_EMBED, _boolean("use_bn", False), _DROPOUT, _integer("n_filters", 16, 1, 1024),
        _integer("n_blocks", 1, 1, 16), _integer("n_layers_per_block", 4, 1, 16), *_SEQUENCE,
    )),
    Algorithm("LightGCN", "torch", (
        *_GRAPH, _choice("loss_type", "bpr", "cross_entropy", "focal", "max_margin"), _SAMPLER,
        _float("dropout_rate", 0.0, 0, 0.99), _integer("n_layers", 3, 1, 16),
    )),
    Algorithm("NGCF", "torch", (
        *_GRAPH, _choice("loss_type", "cross_entropy", "focal", "bpr", "max_margin"), _SAMPLER,
        _float("node_dropout", 0.0, 0, 0.99), _float("message_dropout", 0.0, 0, 0.99),
        _layers("hidden_units", 64, 64, 64),
    )),
    Algorithm("GraphSage", "torch", (*_SAGE, _choice("loss_type", "cross_entropy", "focal", "bpr", "max_margin"))),
    Algorithm("PinSage", "torch", (
        *_SAGE, _choice("loss_type", "max_margin", "cross_entropy", "focal", "bpr"),
        _integer("neighbor_walk_len", 2, 1, 1000), _float("termination_prob", 0.5, 0, 1),
    )),
    Algorithm("UserCF", "cf", (*_SIMILARITY, _K_USERS, *_NEIGHBOURS), kind="neighbourhood"),
    Algorithm("ItemCF", "cf", (*_SIMILARITY, _K_SIM, *_NEIGHBOURS), kind="neighbourhood"),
    Algorithm("RsUserCF", "rust", (_K_USERS, *_NEIGHBOURS), kind="neighbourhood"),
    Algorithm("RsItemCF", "rust", (_K_SIM, *_NEIGHBOURS), kind="neighbourhood"),
    Algorithm("Swing", "rust", (
        _integer("top_k", 20, 1, 1000),
        replace(_float("alpha", 1.0, 0, 1e6), default=100.0, ours="more recall: a pair that shares much counts too"),
        replace(_integer("max_cache_num", 0, 0, 10**9), ours="faster, and 850 MB less for 5,800 users: same scores"),
        _SEED,
    ), kind="neighbourhood"),
    Algorithm("NCF", "tensorflow", (*_RANKING, *_DEEP), kind="network"),
    Algorithm(
        "FM", "tensorflow", (*_RANKING, _boolean("use_bn", True), _DROPOUT), kind="network", features=_ALL_FEATURES
    ),
    Algorithm("WideDeep", "tensorflow", (
        *_without(_RANKING, "lr"), _positive("lr_wide", 0.01, 1), _positive("lr_deep", 5e-3, 1, _SLOW), *_DEEP,
    ), kind="network", features=_ALL_FEATURES),
    Algorithm("DeepFM", "tensorflow", (*_RANKING, *_DEEP), kind="network", features=_ALL_FEATURES),
    Algorithm("AutoInt", "tensorflow", (
        *_with(_RANKING, replace(_N_EPOCHS, default=10)), _boolean("use_bn", True), _DROPOUT,
        _layers("att_embed_size", 8, 8, 8), _ATTENTION_HEADS, _boolean("use_residual", True),
    ), kind="network", features=_ALL_FEATURES),
    Algorithm("YouTubeRanking", "tensorflow", (*_RANKING, *_DEEP, *_SEQUENCE), kind="network", features=_ALL_FEATURES),
    Algorithm("DIN", "tensorflow", (
        *_RANKING, *_DEEP, *_SEQUENCE, _boolean("use_tf_attention", False),
    ), kind="network", features=_ALL_FEATURES),
    Algorithm("Transformer", "tensorflow", (
        *_with(_RANKING, replace(_N_EPOCHS, default=10, ours="one is not enough with batches of ours")), *_DEEP,
        *_SEQUENCE, replace(_ATTENTION_HEADS, default=1), _integer("num_tfm_layers", 1, 1, 16),
        _choice("positional_embedding", "trainable", "sinusoidal"), _boolean("use_causal_mask", False),
        _choice("feat_agg_mode", "concat", "elementwise"),
    ), kind="network", features=_ALL_FEATURES),
    Algorithm("SIM", "tensorflow", (
        *_RANKING, _boolean("use_bn", True), _DROPOUT, _layers("hidden_units", 200, 80),
        _float("alpha", 1.0, 0, 1), _float("beta", 1.0, 0, 1), _integer("search_topk", 10, 1, 1000),
        _integer("long_max_len", 100, 1, 1000), _integer("short_max_len", 10, 1, 1000), _ATTENTION_HEADS,
    ), kind="network", features=_ALL_FEATURES),
)  # fmt: skip

ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ALGORITHMS}
"""Every algorithm by its name."""


def validate(algorithm: str, params: Mapping[str, object]) -> Params:
    """All hyper-parameters of the algorithm, defaults filled in, each in its type.

    Raises TrainingError: `unknown_algorithm`, `invalid_hyperparameter`, `training_unavailable` (the extra `train` is
    not installed) or `algorithm_unavailable` (the extra `graph` is not).
    """
    chosen = ALGORITHMS.get(algorithm)
    if chosen is None:
        raise _unknown_algorithm(algorithm)
    _refuse_unknown_names(chosen, params)
    complete = {each.name: each.check(algorithm, params.get(each.name, each.default)) for each in chosen.parameters}
    _check_together(algorithm, complete)
    _check_installed(chosen)
    return complete


def torch_installed() -> bool:
    """Whether the real torch can be imported, whatever has taken its name in this process."""
    loaded = sys.modules.get("torch")
    return not hasattr(loaded, STAND_IN_MARK) if loaded is not None else _installed("torch")


def _unknown_algorithm(algorithm: str) -> TrainingError:
    known = list(ALGORITHMS)
    message = f"algorithm: expected one of {', '.join(known)}, got {algorithm[:80]!r}"
    return TrainingError("unknown_algorithm", message, {"algorithm": algorithm[:80], "known": known})


def _refuse_unknown_names(algorithm: Algorithm, params: Mapping[str, object]) -> None:
    known = [parameter.name for parameter in algorithm.parameters]
    for name in params:
        if name not in known:
            error = refused(algorithm.name, name[:80], f"a parameter named {', '.join(known)}", name)
            error.details["known"] = known
            raise error


def _check_together(algorithm: str, params: Params) -> None:
    """What LibRecommender demands of parameters in combination (GraphTrainer and check_seq_mode in its source)."""
    if "paradigm" in params:
        refused_sampler = "out-batch" if params["paradigm"] == "u2i" else "unconsumed"
        if params["sampler"] == refused_sampler:
            expected = f"another one with the paradigm {params['paradigm']}"
            raise refused(algorithm, "sampler", expected, refused_sampler)
    if params.get("random_num") is not None and params["recent_num"] is not None:
        raise refused(algorithm, "random_num", "nil unless recent_num is nil", params["random_num"])
    _check_attention(algorithm, params)


def _check_attention(algorithm: str, params: Params) -> None:
    """What the layers of SIM and Transformer take for granted of their sizes."""
    if algorithm in ("SIM", "Transformer"):
        heads, size = params["num_heads"], params["embed_size"]
        assert isinstance(heads, int)
        assert isinstance(size, int)
        if size % heads:
            raise refused(algorithm, "num_heads", f"a divisor of embed_size, which is {size}", heads)
    if algorithm == "SIM":
        looked_at, picked = params["long_max_len"], params["search_topk"]
        assert isinstance(looked_at, int)
        assert isinstance(picked, int)
        if picked > looked_at:
            raise refused(algorithm, "search_topk", f"at most long_max_len, which is {looked_at}", picked)


def _check_installed(algorithm: Algorithm) -> None:
    missing = [name for name in _TRAIN_MODULES if not _installed(name)]
    if missing:
        message = f"training needs the extra `train`: {', '.join(missing)} cannot be imported here"
        raise TrainingError("training_unavailable", message, {"missing": missing, "extra": "train"})
    if algorithm.needs_graph and not torch_installed():
        message = f"{algorithm.name} needs the extra `graph`: torch cannot be imported here"
        details = {"algorithm": algorithm.name, "missing": ["torch"], "extra": "graph"}
        raise TrainingError("algorithm_unavailable", message, details)


def _installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None
