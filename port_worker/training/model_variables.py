"""The variables of a LibRecommender model, taken out and put in: what its `save` and `rebuild_model` do with files.

Theirs pickle, and match rows by number: users and items keep theirs, and new ones come behind. Ours match by id, so no
two trainings need to number alike. Left out are the optimiser's moments, which `rebuild_model` may restore too: they
are twice the model's size, belong to rows of another numbering, and are estimated anew within some batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = dict[str, NDArray[np.float32]]
Owner: TypeAlias = Literal["user", "item", "sparse"]

_TABLES: tuple[tuple[str, Owner], ...] = (
    ("embedding/user_", "user"), ("embedding/bu_", "user"), ("embedding/pu_", "user"),
    ("embedding/item_", "item"), ("embedding/bi_", "item"), ("embedding/qi_", "item"),
    ("embedding/seq_", "item"),
    ("embedding/yj_", "item"),  # SVDpp's; LibRecommender itself takes it for a table of users
    ("embedding/sparse_", "sparse"),
    ("user_init_embeds.", "user"), ("user_embeds.", "user"), ("embedding_dict.user_embed", "user"),
    ("item_init_embeds.", "item"), ("item_embeds.", "item"), ("embedding_dict.item_embed", "item"),
    ("user_vectors", "user"), ("item_vectors", "item"),
)  # fmt: skip
"""How the names begin of variables with a row for each user, item, or value of a feature."""


def owner_of(name: str) -> Owner | None:
    """Whose rows a variable has; None for one that is not about anybody, a layer's."""
    return next((owner for start, owner in _TABLES if name.startswith(start)), None)


def build(model: Any, family: str) -> None:
    """Make the variables of a new model, with the values that its seed gives them; `fit` then goes on from them.

    A model of TensorFlow must be in its graph's context.
    """
    if model.model_name == "SVDpp" and model.sparse_interaction is None:
        model.sparse_interaction = (
            model._set_sparse_interaction()
        )  # else only its `fit` does, and `rebuild_model` fails
    model.build_model()
    model.model_built = True
    if family != "als":
        from libreco.training.dispatch import get_trainer

        model.trainer = get_trainer(model)


def read(model: Any, family: str) -> Values:
    """Copies of the variables by name; also of a fitted model, whatever graph is the default one."""
    return _READ[family](model)


def write(model: Any, family: str, values: Mapping[str, NDArray[np.float32]]) -> None:
    """Set the variables, all of them, of a model that was built."""
    _WRITE[family](model, values)


def _of_graph(model: Any) -> dict[str, Any]:
    """Trainable variables, and the running means of batch normalisation, which are learnt by counting."""
    import tensorflow.compat.v1 as tf

    with model.sess.graph.as_default():
        trainable, moving = tf.trainable_variables(), tf.global_variables()
    means = [each for each in moving if each.op.name.endswith(("/moving_mean", "/moving_variance"))]
    return {each.op.name: each for each in (*trainable, *means)}


def _read_session(model: Any) -> Values:
    values: Values = model.sess.run(_of_graph(model))
    return values


def _write_session(model: Any, values: Mapping[str, NDArray[np.float32]]) -> None:
    for name, variable in _of_graph(model).items():
        variable.load(values[name], model.sess)


def _read_torch(model: Any) -> Values:
    return {name: each.cpu().numpy().copy() for name, each in model.torch_model.state_dict().items()}


def _write_torch(model: Any, values: Mapping[str, NDArray[np.float32]]) -> None:
    import torch

    model.torch_model.load_state_dict({name: torch.from_numpy(each.copy()) for name, each in values.items()})


def _read_factors(model: Any) -> Values:
    return {
        "user_vectors": model.user_embeds_np[: model.n_users].copy(),
        "item_vectors": model.item_embeds_np[: model.n_items].copy(),
    }


def _write_factors(model: Any, values: Mapping[str, NDArray[np.float32]]) -> None:
    model.user_embeds_np[:] = values["user_vectors"]
    model.item_embeds_np[:] = values["item_vectors"]


_READ: dict[str, Callable[[Any], Values]] = {
    "als": _read_factors, "tensorflow": _read_session, "torch": _read_torch
}  # fmt: skip
_WRITE: dict[str, Callable[[Any, Mapping[str, NDArray[np.float32]]], None]] = {
    "als": _write_factors, "tensorflow": _write_session, "torch": _write_torch
}  # fmt: skip
