"""What a parsed stack trace is: exceptions that hold frames and the exceptions that caused them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from otelbridge.exporters.sentry.limits import MAX_EXCEPTION_TYPE, MAX_FILENAME, MAX_FRAMES, MAX_FUNCTION, clip

Frame = dict[str, Any]
"""A frame of Sentry's stack trace interface."""

MAX_EXCEPTIONS = 50  # of one event; more is a loop in somebody's error handling
_MAX_LINE = 512  # of source; longer is minified
_NEWEST_FRAMES = 200  # of a deep recursion the ends tell the story
_LARGEST_NUMBER = 2**31


@dataclass(slots=True)
class ParsedException:
    """One exception of a stack trace.

    Attributes:
        type: its class, qualified as the language prints it.
        value: its message.
        frames: oldest call first, as Sentry wants them.
        causes: how the language names the relation, and the exception that caused or is part of this one.
        is_group: whether this exception stands for several.
        platform: Sentry's name of the language it was thrown in.
    """

    type: str
    value: str = ""
    frames: list[Frame] = field(default_factory=list)
    causes: list[tuple[str, ParsedException]] = field(default_factory=list)
    is_group: bool = False
    platform: str = "other"

    def walk(self) -> Iterator[tuple[ParsedException, str, int | None]]:
        """This exception and all below it: each with its relation and the number of the one it caused."""
        waiting: list[tuple[ParsedException, str, int | None]] = [(self, "", None)]
        number = 0
        while waiting and number < MAX_EXCEPTIONS:
            exception, source, parent = waiting.pop()
            yield exception, source, parent
            waiting += [(cause, name, number) for name, cause in reversed(exception.causes)]
            number += 1


def frame(
    function: str | None,
    path: str | None,
    line: str | int | None,
    *,
    in_app: bool,
    column: str | int | None = None,
    module: str | None = None,
    source: str | None = None,
) -> Frame:
    """A frame with what is known about it."""
    found = {
        "function": clip(function, MAX_FUNCTION) if function else None,
        "module": clip(module, MAX_FUNCTION) if module else None,
        "filename": clip(path, MAX_FILENAME) if path else None,
        "abs_path": clip(path, MAX_FILENAME) if path else None,
        "lineno": _number(line),
        "colno": _number(column),
        "context_line": clip(source, _MAX_LINE) if source else None,
    }
    made: Frame = {key: value for key, value in found.items() if value is not None}
    made["in_app"] = in_app
    return made


def bounded(frames: list[Frame]) -> list[Frame]:
    """At most MAX_FRAMES frames: the newest and some of the oldest."""
    if len(frames) <= MAX_FRAMES:
        return frames
    return frames[: MAX_FRAMES - _NEWEST_FRAMES] + frames[-_NEWEST_FRAMES:]


def split_type(qualified: str) -> tuple[str, str | None]:
    """`shop.orders.OutOfStock` -> `OutOfStock` and its module `shop.orders`."""
    module, _, name = qualified.rpartition(".")
    if not name or " " in qualified:
        return clip(qualified, MAX_EXCEPTION_TYPE), None
    return clip(name, MAX_EXCEPTION_TYPE), clip(module, MAX_EXCEPTION_TYPE) or None


def _number(text: str | int | None) -> int | None:
    if text is None or (isinstance(text, str) and len(text) > len(str(_LARGEST_NUMBER))):
        return None
    number = int(text)
    return number if 0 <= number < _LARGEST_NUMBER else None
