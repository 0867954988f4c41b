"""The daemon, put together: the only owner of the clock, of signals and of threads."""

from otelbridge.service.daemon import Daemon, clock
from otelbridge.service.memory import keep_memory

__all__ = ["Daemon", "clock", "keep_memory"]
