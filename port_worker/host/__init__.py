"""A worker seen from its host, in Python: spawn it, call it, end it. What the REPL, the bench and the tests use."""

from port_worker.host.command import worker_command
from port_worker.host.errors import CallTimeout, HostError, WorkerError, WorkerGone
from port_worker.host.worker import WorkerHost

__all__ = ["CallTimeout", "HostError", "WorkerError", "WorkerGone", "WorkerHost", "worker_command"]
