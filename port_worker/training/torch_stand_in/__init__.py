"""A small module that goes by the name of torch where torch is not installed.

LibRecommender imports torch unconditionally, and its TensorFlow models take their batches from torch's DataLoader. This
has that loader, drawing the very order that torch would, and the names that are touched while LibRecommender is
imported. It has no tensors: what needs them fails with an AttributeError, so the four graph algorithms are refused
before they start.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from port_worker.training.catalogue import STAND_IN_MARK, torch_installed
from port_worker.training.torch_stand_in import data, names
from port_worker.training.torch_stand_in.generator import manual_seed


def install_if_missing() -> bool:
    """Install the stand-in unless the real torch can be imported. Returns whether it was installed."""
    if torch_installed():
        return False
    install()
    return True


def install() -> None:
    """Put the stand-in into `sys.modules`, for a process that trains and then ends: all its libraries will see it."""
    for module in _modules():
        sys.modules[module.__name__] = module


def _modules() -> list[ModuleType]:
    functional = _module("torch.nn.functional")
    init = _module("torch.nn.init")
    nn = _module("torch.nn", functional=functional, init=init, Module=names.Module)
    scheduler = _module("torch.optim.lr_scheduler", CosineAnnealingWarmRestarts=names.Missing)
    optim = _module("torch.optim", lr_scheduler=scheduler, Adam=names.Missing)
    loading = _module("torch.utils.data", get_worker_info=data.get_worker_info)
    for public in (data.Dataset, data.DataLoader, data.BatchSampler, data.RandomSampler, data.SequentialSampler):
        setattr(loading, public.__name__, public)
    utils = _module("torch.utils", data=loading)
    linalg = _module("torch.linalg")
    torch = _module(
        "torch", nn=nn, optim=optim, utils=utils, linalg=linalg, manual_seed=manual_seed, Tensor=names.Missing,
        no_grad=names.undecorated, inference_mode=names.undecorated,
    )  # fmt: skip
    return [torch, nn, functional, init, optim, scheduler, utils, loading, linalg]


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name, "A stand-in, because torch is not installed.")
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    vars(module).update({STAND_IN_MARK: True, **members})
    return module
