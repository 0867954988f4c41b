"""The daemon's own log: readable on a terminal, JSON anywhere else, and never a flood.

ERROR means that data was lost or a human is needed, WARNING that something is odd but handled, INFO that the daemon
started, stopped or changed. Nothing logs per span. A message that repeats within ten seconds, about the same thing, is
counted instead, and the count is on the next one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

QUIET_SECONDS = 10.0
MAX_MESSAGES_REMEMBERED = 1000

_Event = MutableMapping[str, Any]
_ABOUT = (
    *("level", "event", "component", "pipeline", "receiver", "exporter", "failed", "thread", "status"),
    *("title", "service", "environment"),  # of a finding
)
"""What makes two messages the same: reasons and numbers may differ, what they are about may not."""


class RepeatFilter:
    """A structlog processor: drops an event that was logged within the last ten seconds, and counts it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, ...], tuple[float, int]] = {}

    def __call__(self, _logger: object, _method: str, event: _Event) -> _Event:
        """The event, with `repeated` if it was dropped before; raises DropEvent for a repeat."""
        now = self._clock()
        key = tuple(str(event.get(field, "")) for field in _ABOUT)
        last, dropped = self._seen.get(key, (-QUIET_SECONDS, 0))
        if now - last < QUIET_SECONDS:
            self._seen[key] = (last, dropped + 1)
            raise structlog.DropEvent
        if len(self._seen) >= MAX_MESSAGES_REMEMBERED:
            self._seen.clear()
        self._seen[key] = (now, 0)
        if dropped:
            event["repeated"] = dropped
        return event


def configure(level: Level, style: Format, clock: Callable[[], float], stream: TextIO = sys.stderr) -> None:
    """Set up structlog, and the standard library's logging of the libraries behind it (warnings and worse only)."""
    # Tracebacks come without the values of variables: those are spans of users.
    as_console = style == "console" or (style == "auto" and stream.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if as_console
        else structlog.processors.JSONRenderer()
    )
    before: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        RepeatFilter(clock),
    ]
    if not as_console:
        before.append(structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)))
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)


def logger(component: str) -> Any:
    """A logger whose events name the component."""
    return structlog.get_logger().bind(component=component)
