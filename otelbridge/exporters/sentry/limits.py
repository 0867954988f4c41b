"""What Sentry takes before it trims, and cutting text to it ourselves, visibly.

Sentry's Relay cuts silently: what is too long loses its end, and of too many spans the last vanish. Everything that we
send therefore stays below these numbers. Their source is Relay's schema (relay-event-schema/src/protocol, `max_chars`,
`max_bytes`) and configuration (relay-config/src/config.rs); lengths are in characters unless the name says bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

MAX_NAME = 200  # transaction names, tag keys and tag values
MAX_RELEASE_BYTES = 200
MAX_ENVIRONMENT_BYTES = 64
MAX_OP = 128
MAX_CATEGORY = 128  # of a breadcrumb
MAX_MESSAGE = 8192  # of an event; also the value of an exception
MAX_EXCEPTION_TYPE = 256
MAX_FUNCTION = 512
MAX_FILENAME = 256
MAX_FRAMES = 250
MAX_DESCRIPTION = 10_000  # not limited by Relay; a statement longer than this explains nothing more
MAX_KEY = 200  # of an attribute; not limited by Relay either
MAX_USER_ID = 128
MAX_USER_EMAIL = 75
MAX_ATTRIBUTES = 1_000  # of a span; SDKs stop at 128 unless told otherwise

MAX_CONTEXT_BYTES = 7_000  # Relay: 8,192, in a measure of its own
MAX_BREADCRUMB_DATA_BYTES = 1_500  # Relay: 2,048
MAX_BREADCRUMB_MESSAGE = 1_000  # Relay: 8,192; a hundred of them must fit beside the spans
MAX_BREADCRUMBS_BYTES = 100_000

MAX_SPAN_BYTES = 131_072  # ours: half a dozen of the largest still share a transaction
MAX_SPANS_BYTES = 740_000  # Relay: 819,200 for all spans; with segment, contexts and breadcrumbs below the next
MAX_ITEM_BYTES = 1_048_576

ELLIPSIS = "…"
CUT = " [cut by otelbridge]"
_SMALLEST_CUT = 256  # shorter strings are left alone: what makes a thing too large is not them


def clip(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def clip_bytes(text: str, limit: int) -> str:
    """The beginning of the text, in at most `limit` bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[:limit].decode(errors="ignore")


def one_line(text: str, limit: int) -> str:
    """The text without line breaks, trimmed, in at most `limit` characters."""
    if len(text) <= limit and text.isprintable():
        return text.strip()
    return clip(" ".join(text.split()), limit)


def size(value: Any) -> int:
    """Bytes of the value as JSON."""
    return len(msgspec.json.encode(value))


def fit(values: dict[str, Any], max_bytes: int, measure: Callable[[Any], int] = size) -> bool:
    """Make `values` fit into `max_bytes` of JSON, in place; True when something had to give.

    The longest strings are halved first, with a mark; when all that is left is short, the last keys go.
    """
    if measure(values) <= max_bytes:
        return False
    for key, value in values.items():
        if not isinstance(value, (str, int, float, bool)) and measure(value) > _SMALLEST_CUT:
            values[key] = msgspec.json.encode(value).decode()
    while measure(values) > max_bytes:
        longest = max((key for key in values if isinstance(values[key], str)), key=lambda k: len(values[k]), default="")
        text = values.get(longest, "")
        if len(text) > _SMALLEST_CUT:
            values[longest] = text.removesuffix(CUT)[: len(text) // 2] + CUT
        else:
            _drop_last_keys(values, max_bytes, measure)
            break
    return True


def _drop_last_keys(values: dict[str, Any], max_bytes: int, measure: Callable[[Any], int]) -> None:
    room = max_bytes - 2  # the braces
    for key in list(values):
        room -= measure({key: values[key]}) - 1
        if room < 0:
            del values[key]
