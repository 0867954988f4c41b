"""Parents and ancestors of spans, as row numbers."""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, Hashes, Integers, flags, integers, may_be_among, mix
from otelbridge.core import schema

NOWHERE = -1
MAX_CLIMB = 64  # a segment's inner depth; deeper spans belong to recursion or to nonsense


class SpanTree:
    """The spans of some traces of a batch, found by id.

    Of spans that say they have the same id only the first is known, so that no input makes a look-up grow.

    Attributes:
        height: number of rows in the batch.
        parent_ids: span id of the parent, 0 where there is none; one a row.
        is_segment: local roots; one a row.
    """

    def __init__(self, spans: pl.DataFrame, trace_of_row: Hashes, involved: Hashes) -> None:
        """Index the spans of the traces `involved`."""
        rows = np.flatnonzero(may_be_among(trace_of_row, involved))
        self.height = spans.height
        self._trace_of_row = trace_of_row
        self._ids = integers(spans[schema.SPAN_ID])
        self.parent_ids: Hashes = integers(spans[schema.PARENT_SPAN_ID])
        self.is_segment: Flags = flags(spans["is_segment"])
        keys = mix(self._trace_of_row[rows], self._ids[rows])
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows = keys[order], rows[order]

    def find(self, trace: Hashes, span_id: Hashes) -> Integers:
        """Row of the span with that id in that trace; NOWHERE when there is none."""
        if not len(self._keys):
            return np.full(len(trace), NOWHERE)
        place = np.searchsorted(self._keys, mix(trace, span_id))
        row = self._rows[np.minimum(place, len(self._rows) - 1)]
        is_it = (self._ids[row] == span_id) & (self._trace_of_row[row] == trace) & (span_id != 0)
        return np.where(is_it, row, NOWHERE)

    def parents(self, rows: Integers) -> Integers:
        """Row of the parent of each row (NOWHERE has none)."""
        parents = self.find(self._trace_of_row[rows], self.parent_ids[rows])
        return np.where(rows == NOWHERE, NOWHERE, parents)

    def segments(self, rows: Integers) -> Integers:
        """Row of the local root above each row, or the row itself if it is one; NOWHERE when it is not in the batch."""
        found = rows.copy()
        for _ in range(MAX_CLIMB):
            climbing = (found != NOWHERE) & ~self.is_segment[found]
            if not climbing.any():
                return found
            found[climbing] = self.parents(found[climbing])
        found[~self.is_segment[found]] = NOWHERE
        return found

    def is_first(self, rows: Integers) -> Flags:
        """Whether no earlier row of the trace has the same span id."""
        return np.asarray(self.find(self._trace_of_row[rows], self._ids[rows]) == rows)
