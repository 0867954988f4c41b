"""Spans as JSON, of which single ones, ranges of them, and the trace contexts within them are taken.

A span is written as what a trace context has not, then what it has, data last. So the trace context of a local root is
a piece of its span, and the spans of a segment are one piece when their rows follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from otelbridge.exporters.sentry.fragments import Pool, Rows


class SpanJson:
    """JSON of each row, after a comma.

    Args:
        pool: the fragments.
        before: by row, numbers of the fragments up to the data.
        data: numbers of the members of all rows, one after the other.
        counts: how many of them each row has.
        after: number of the two closing braces.
        columns: of `before`: those from the start to the end, and the first that belongs to the trace context.
    """

    def __init__(
        self, pool: Pool, before: Rows, data: Rows, counts: Rows, after: int, columns: tuple[int, int, int]
    ) -> None:
        height, width = before.shape
        ends = np.cumsum(counts + width + 1)
        starts = ends - counts - width - 1
        numbers = np.empty(ends[-1] if height else 0, np.int64)
        is_data = np.ones(len(numbers), np.bool_)
        places = starts[:, None] + np.arange(width)
        numbers[places] = before
        numbers[ends - 1] = after
        is_data[places] = is_data[ends - 1] = False
        numbers[is_data] = data
        self._bytes, offsets = pool.taken(numbers)
        first_time, after_times, context_column = columns
        self._ends = offsets[ends]
        self._starts = offsets[starts]
        self._boundaries: list[int] = [*self._starts.tolist(), len(self._bytes)]
        self._contexts: list[int] = offsets[starts + context_column].tolist()
        self._context_ends: list[int] = offsets[ends - 1].tolist()
        self._times: list[int] = offsets[starts + first_time].tolist()
        self._time_ends: list[int] = offsets[starts + after_times].tolist()
        self._instead: dict[int, tuple[bytes, bytes]] = {}

    def replace(self, row: int, head: bytes, context: bytes) -> None:
        """Let a span be another: `head` from its brace to a comma, the trace context without braces."""
        self._instead[row] = (head, context)

    def sizes(self) -> Rows:
        """Bytes of each row, without the comma."""
        sizes: Rows = self._ends - self._starts - 1
        for row, (head, context) in self._instead.items():
            sizes[row] = len(head) + len(context) + 2
        return sizes

    def context(self, row: int) -> bytes:
        """The trace context without braces, up to its data, which is not closed."""
        if row in self._instead:
            return self._instead[row][1]
        return bytes(self._bytes[self._contexts[row] : self._context_ends[row]])

    def times(self, row: int) -> bytes:
        """Start and end, between them the end's name, each with a comma after it."""
        return bytes(self._bytes[self._times[row] : self._time_ends[row]])

    def array(self, rows: Sequence[int]) -> bytes:
        """Spans with commas between them, without brackets."""
        if not rows:
            return b""
        if isinstance(rows, range) and (not self._instead or self._instead.keys().isdisjoint(rows)):
            return bytes(self._bytes[self._boundaries[rows.start] + 1 : self._boundaries[rows.stop]])
        return b",".join([self._span(row) for row in rows])

    def _span(self, row: int) -> bytes:
        if row in self._instead:
            return b"%b%b}}" % self._instead[row]
        return bytes(self._bytes[self._boundaries[row] + 1 : self._boundaries[row + 1]])
