"""Too many spans for one transaction -> several, because Sentry would trim, silently.

Relay cuts the `spans` of a transaction at 819,200 bytes after it has added to each span: its segment's name, the
release, the user, a scrubbed description and some more. That is charged here in advance.
"""

from __future__ import annotations

from collections.abc import Sequence

from otelbridge.exporters.sentry.fragments import Rows
from otelbridge.exporters.sentry.limits import MAX_SPAN_BYTES, MAX_SPANS_BYTES

# Measured with sentry-relay on spans with the tags that relay-event-normalization (tag_extraction.rs) adds: 130 bytes
# and at most once and a fifth of what it copies, besides the description, once as it is and once as a list of tables.
ADDED_BY_RELAY_BYTES = 300
COPIES = 1.5
SCRUBBED_DESCRIPTION_BYTES = 200  # relay-server: max_tag_value_length


def is_small(spans: int, json_bytes: int, max_spans: int, copied_bytes: int) -> bool:
    """Whether so many spans are one transaction without a closer look."""
    most_added_bytes = (ADDED_BY_RELAY_BYTES + COPIES * copied_bytes + SCRUBBED_DESCRIPTION_BYTES) * spans
    return spans <= max_spans and json_bytes <= min(MAX_SPAN_BYTES, MAX_SPANS_BYTES - most_added_bytes)


def split(
    rows: Sequence[int], sizes: Rows, description_lengths: Rows, max_spans: int, copied_bytes: int
) -> list[Sequence[int]]:
    """Consecutive parts, each of at most `max_spans` spans and small enough; at least one part.

    Args:
        rows: of the spans.
        sizes: bytes of JSON of every row.
        description_lengths: of every row.
        max_spans: of one part.
        copied_bytes: length of what Relay copies from the transaction into each span: its name, release, environment
            and user.
    """
    added_bytes = ADDED_BY_RELAY_BYTES + COPIES * copied_bytes
    parts: list[Sequence[int]] = []
    first, used = 0, 0.0
    for index, row in enumerate(rows):
        cost = int(sizes[row]) + added_bytes + min(int(description_lengths[row]), SCRUBBED_DESCRIPTION_BYTES)
        if index > first and (index - first >= max_spans or used + cost > MAX_SPANS_BYTES):
            parts.append(rows[first:index])
            first, used = index, 0.0
        used += cost
    return [*parts, rows[first:]]
