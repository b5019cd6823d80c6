"""A report as one page to look at: no script, no address, nothing outside of it."""

from port_worker.bench.html.page import write

__all__ = ["write"]
