"""The traces of an export with their segments: found for all traces at once where parents are what they should be.

Most traces are plain: ids are distinct, parents start before their children, and at most one span misses its parent.
There the local root of each span is found by following parents, for all spans together. The others get a `TraceTree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from otelbridge.core import schema
from otelbridge.exporters.sentry.fragments import Mask, Rows
from otelbridge.exporters.sentry.segments import Segment, TraceTree
from otelbridge.exporters.sentry.survivors import Survivors


@dataclass(slots=True)
class Trace:
    """One trace.

    Attributes:
        rows: of its spans.
        segments: by the start of their roots.
    """

    rows: range
    segments: list[Segment]
    _forest: Forest
    _tree: TraceTree | None

    def parent(self, row: int) -> int | None:
        """Row of the parent, in whatever process; None when it is not there."""
        return self._tree.parent(row) if self._tree else self._forest.parent(row)

    def row(self, span_id: int) -> int | None:
        """Row of a span; None when it is not there."""
        return self._tree.row(span_id) if self._tree else self._forest.row(span_id, self.rows)

    def root(self, row: int) -> int:
        """Row of the local root of a span."""
        return self._tree.root(row) if self._tree else self._forest.root(row)


class Forest:
    """All traces of an export; `parent`, `row` and `root` are for spans of plain ones."""

    def __init__(self, spans: Survivors) -> None:
        self._spans = spans
        trace = spans.trace_index
        ids, parents = (spans.frame[name].to_numpy() for name in (schema.SPAN_ID, schema.PARENT_SPAN_ID))
        by_id = np.argsort(ids, kind="stable")
        sorted_ids = ids[by_id]
        self._parent = by_id[np.minimum(np.searchsorted(sorted_ids, parents), len(ids) - 1)]
        self._has_parent = (ids[self._parent] == parents) & (trace[self._parent] == trace)
        is_remote = spans.frame["is_segment"].to_numpy()
        process = _processes(spans)
        rows = np.arange(len(ids))
        is_below = self._has_parent & ~is_remote & (process == process[self._parent])
        above = np.where(is_below, self._parent, rows)

        is_plain = above <= rows
        repeated = sorted_ids[1:] == sorted_ids[:-1]
        is_plain[by_id[1:][repeated]] = is_plain[by_id[:-1][repeated]] = False
        orphans = np.flatnonzero((parents != 0) & ~self._has_parent & ~is_remote)
        is_plain[orphans[1:][trace[orphans[1:]] == trace[orphans[:-1]]]] = False  # they may belong together
        self._is_odd = np.zeros(len(spans.traces), np.bool_)
        self._is_odd[trace[~is_plain]] = True
        self._home = _homes(above, self._is_odd[trace])

    def __iter__(self) -> Iterator[Trace]:
        segments = self._segments()
        segment = next(segments, None)
        for rows, is_odd in zip(self._spans.traces, self._is_odd.tolist(), strict=True):
            tree, of_trace = None, []
            if is_odd:
                tree = TraceTree(self._spans, rows)
                of_trace = tree.segments()
            while segment is not None and segment.root < rows.stop:
                of_trace.append(segment)
                segment = next(segments, None)
            yield Trace(rows, of_trace, self, tree)

    @property
    def roots(self) -> Rows:
        """Rows of the local roots in plain traces, and perhaps more."""
        return np.flatnonzero(self._home == np.arange(len(self._home)))

    def parent(self, row: int) -> int | None:
        """Row of the parent, in whatever process; None when it is not there."""
        return int(self._parent[row]) if self._has_parent[row] else None

    def row(self, span_id: int, among: range) -> int | None:
        """Row of a span; None when it is not there."""
        ids = self._spans.span_id
        return next((row for row in among if ids[row] == span_id), None)

    def root(self, row: int) -> int:
        """Row of the local root of a span."""
        return int(self._home[row])

    def _segments(self) -> Iterator[Segment]:
        """The segments of all plain traces by their roots."""
        rows = np.flatnonzero(~self._is_odd[self._spans.trace_index])
        if not len(rows):
            return
        ordered = rows[np.argsort(self._home[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(self._home[ordered], prepend=-1))
        ends = np.append(starts[1:], len(ordered))
        is_range = ordered[ends - 1] - ordered[starts] == ends - starts - 1
        for root, start, end, consecutive in zip(
            ordered[starts].tolist(), starts.tolist(), ends.tolist(), is_range.tolist(), strict=True
        ):
            yield Segment(range(root, root + end - start) if consecutive else ordered[start:end].tolist())


def _processes(spans: Survivors) -> Rows:
    """By row, a number for the process: the same for the same `Emitter.identity`."""
    numbers: dict[tuple[str, ...], int] = {}
    of_emitter = [numbers.setdefault(emitter.identity, len(numbers)) for emitter in spans.emitters]
    return np.array(of_emitter, np.int64)[spans.emitter_index]


def _homes(above: Rows, is_odd: Mask) -> Rows:
    """Row of the local root, where all spans lie below an earlier row or are roots."""
    home = above.copy()
    home[is_odd] = np.flatnonzero(is_odd)  # their parents may go round in circles
    while not np.array_equal(home, further := home[home]):
        home = further
    return home
