"""Which spans of a trace make one transaction: a local root and what hangs below it in the same process.

A segment begins at a span without parent, with a parent in another process, or with a parent that is not there. Spans
that miss the same parent stay together in the segment of the first of them: when a long request is decided before its
root has ended, its hundred queries are one transaction, not a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otelbridge.core import schema
from otelbridge.exporters.sentry.survivors import Survivors

_UNDERWAY = -1


@dataclass(slots=True)
class Segment:
    """One transaction to be.

    Attributes:
        rows: the local root, then its spans by start; a range where nothing else is in between.
        repeats: how many more spans are exact copies of these, sent twice by their client.
    """

    rows: Sequence[int]
    repeats: int = 0

    @property
    def root(self) -> int:
        """Row of the local root."""
        return self.rows[0]


class TraceTree:
    """The spans of one trace by their parents."""

    def __init__(self, spans: Survivors, rows: range) -> None:
        self._spans = spans
        self.rows = rows
        self._row_of: dict[int, int] = {}
        # Ids that come again: a client sent twice what it had no answer for, or makes no proper ids.
        self._again = {row for row in rows if self._row_of.setdefault(spans.span_id[row], row) != row}
        self._home: dict[int, int] = {}
        self._first_orphan: dict[tuple[tuple[str, ...], int], int] = {}

    def parent(self, row: int) -> int | None:
        """Row of the parent, in whatever process; None when it is not there."""
        parent_id = self._spans.parent_id[row]
        return self._row_of.get(parent_id) if parent_id else None

    def row(self, span_id: int) -> int | None:
        """Row of a span; None when it is not there."""
        return self._row_of.get(span_id)

    def root(self, row: int) -> int:
        """Row of the local root of a span; `segments` must have been called."""
        return self._home[row]

    def segments(self) -> list[Segment]:
        """Segments by the start of their roots."""
        home = self._home
        for row in self.rows:
            if row not in home:
                above = self._above(row)
                if above is None:
                    home[row] = row
                elif home.get(above, _UNDERWAY) != _UNDERWAY:  # parents start first, so this is the rule
                    home[row] = home[above]
                else:
                    self._settle(row)
        rows: dict[int, list[int]] = {root: [root] for root in self.rows if home[root] == root}
        repeats: dict[int, int] = {}
        for row in self.rows:
            root = home[row]
            if row == root:
                continue
            if row in self._again and self._is_copy(row):
                repeats[root] = repeats.get(root, 0) + 1
            else:
                rows[root].append(row)
        return [Segment(rows[root], repeats.get(root, 0)) for root in rows]

    def _settle(self, row: int) -> None:
        path: list[int] = []
        root: int | None = None
        while root is None:
            home = self._home.get(row)
            if home == _UNDERWAY:  # parents that go round in a circle: the first of them must do
                root = min(path)
            elif home is not None:
                root = home
            else:
                path.append(row)
                self._home[row] = _UNDERWAY
                above = self._above(row)
                root, row = (row, row) if above is None else (None, above)
        for passed in path:
            self._home[passed] = root

    def _above(self, row: int) -> int | None:
        """Row of a span of the same segment that is nearer to its root; None for the root."""
        spans = self._spans
        if row in self._again:
            return self._row_of[spans.span_id[row]]
        parent_id = spans.parent_id[row]
        if not parent_id or spans.is_segment[row]:
            return None
        parent = self._row_of.get(parent_id)
        if parent is None:
            sibling = self._first_orphan.setdefault((spans.emitter[row].identity, parent_id), row)
            return None if sibling == row else sibling
        ours, theirs = spans.emitter[row], spans.emitter[parent]
        return parent if ours is theirs or ours.identity == theirs.identity else None

    def _is_copy(self, row: int) -> bool:
        raw = self._spans.frame[schema.RAW]
        return bool(raw[self._row_of[self._spans.span_id[row]]] == raw[row])
