"""Fixtures of the launcher's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.setup.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that was never set up."""
    return Project.create(tmp_path)
