"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# No test asks how long anything takes: an example that a busy machine holds up has not failed.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
