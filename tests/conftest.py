"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

# No test asks how long anything takes: an example that a busy machine holds up has not failed.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A shell has what it runs in the background ignore interrupts, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
