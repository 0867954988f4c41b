"""Too many spans for one transaction -> several, because Sentry would trim, silently.

Relay cuts the `spans` of a transaction at 819,200 bytes after it has added to each span: its segment's name, the
release, the user, a scrubbed description and some more. That is charged here in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from otelbridge.exporters.sentry.limits import MAX_SPAN_BYTES, MAX_SPANS_BYTES
from otelbridge.exporters.sentry.mapping import encode_json, shortened

# Measured with sentry-relay on spans with the tags that relay-event-normalization (tag_extraction.rs) adds: 130 bytes
# and at most once and a fifth of what it copies, besides the description, once as it is and once as a list of tables.
ADDED_BY_RELAY_BYTES = 300
COPIES = 1.5
SCRUBBED_DESCRIPTION_BYTES = 200  # relay-server: max_tag_value_length


@dataclass(slots=True)
class Part:
    """The spans of one transaction: a JSON array, and the mapped spans that are in it."""

    json: bytes
    spans: Sequence[dict[str, Any]]


def split(spans: Sequence[dict[str, Any]], max_spans: int, copied_bytes: int) -> list[Part]:
    """Consecutive parts, each of at most `max_spans` spans and small enough; at least one part.

    A span that is too large alone is shortened. `copied_bytes` is the length of what Relay copies from the transaction
    into each span: its name, release, environment and user.
    """
    added_bytes = ADDED_BY_RELAY_BYTES + COPIES * copied_bytes
    most_bytes = (added_bytes + SCRUBBED_DESCRIPTION_BYTES) * len(spans)
    together = encode_json(spans)
    if len(together) <= min(MAX_SPAN_BYTES, MAX_SPANS_BYTES - most_bytes) and len(spans) <= max_spans:
        return [Part(together, spans)]
    encoded = list(map(_encoded, spans))
    parts: list[Part] = []
    first, used = 0, 0.0
    for index, one in enumerate(encoded):
        cost = len(one) + added_bytes + min(len(spans[index]["description"]), SCRUBBED_DESCRIPTION_BYTES)
        if index > first and (index - first >= max_spans or used + cost > MAX_SPANS_BYTES):
            parts.append(_part(encoded, spans, first, index))
            first, used = index, 0.0
        used += cost
    return [*parts, _part(encoded, spans, first, len(spans))]


def _encoded(span: dict[str, Any]) -> bytes:
    encoded = encode_json(span)
    return encoded if len(encoded) <= MAX_SPAN_BYTES else encode_json(shortened(span))


def _part(encoded: list[bytes], spans: Sequence[dict[str, Any]], first: int, last: int) -> Part:
    return Part(b"[%b]" % b",".join(encoded[first:last]), spans[first:last])
