"""Homes of a real worker: with a model, and without."""

from tests.worker.conftest import fresh_home, own_home, trained_home, world_home

__all__ = ["fresh_home", "own_home", "trained_home", "world_home"]
