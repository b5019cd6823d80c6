"""atheris has no wheels for most platforms: there its test is left out. CI must have it where there is one."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys

_HAS_WHEELS = sys.platform == "linux" and platform.machine() == "x86_64" and (3, 11) <= sys.version_info[:2] <= (3, 13)
_MUST_BE_THERE = os.environ.get("CI") == "true" and _HAS_WHEELS

collect_ignore = [] if _MUST_BE_THERE or importlib.util.find_spec("atheris") else ["test_coverage.py"]
