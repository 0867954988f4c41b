"""Who is whose ancestor in a batch of traces: one walk up from many spans at once, one level at a time.

Parents are looked up once, for the traces that matter; each level then costs in proportion to the spans that are still
climbing, whatever the size of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import MISSING, find, may_be_among
from otelbridge.core import schema
from otelbridge.core.arrays import to_arrow
from otelbridge.processors.llm_cost.arrays import NOWHERE, Booleans, Ids, Rows

MAX_DEPTH = 1024  # levels climbed; deeper is a loop of parents or a runaway recursion, whose root says little


@dataclass(frozen=True, slots=True)
class Climb:
    """What was met on the way up from each start.

    Attributes:
        passed: Boolean, one element a row of the batch: an ancestor of a start that no barrier separates from it.
        nearest: for each kind of mark, one element a start: the nearest row with the mark, the start included; NOWHERE.
        orphans: starts (their rows) whose way, free of barriers, ended at a span that is not in the batch.
        unseen: the key of that span, one element an orphan.
    """

    passed: Booleans
    nearest: dict[str, Rows]
    orphans: Rows
    unseen: Ids


class Lineage:
    """The parents of a batch of spans.

    Attributes:
        trace: UInt64, one element a row: stands for the trace id.
        key: UInt64, one element a row: stands for trace and span id.
    """

    def __init__(self, spans: pl.DataFrame) -> None:
        self.trace: Ids = spans[schema.TRACE_ID].hash().to_numpy()
        span_ids = spans[schema.SPAN_ID].to_numpy()
        parents = to_arrow(spans[schema.PARENT_SPAN_ID]).fill_null(0).to_numpy()
        self._parent: Ids = np.where(parents == span_ids, 0, parents)  # 0: a root, and so is its own parent
        self.key: Ids = self.trace + span_ids

    def roots(self, starts: Rows, marked: Booleans) -> Rows:
        """For each start a row of its trace that has no parent and is marked; NOWHERE if there is none."""
        rows = np.flatnonzero((self._parent == 0) & marked & may_be_among(self.trace, self.trace[starts]))
        root_of = dict(zip(self.trace[rows].tolist(), rows.tolist(), strict=True))
        return np.array([root_of.get(trace, NOWHERE) for trace in self.trace[starts].tolist()], np.intp)

    def climb(self, starts: Rows, marks: dict[str, Booleans], is_barrier: Booleans) -> Climb:
        """Walk up from every start to its root."""
        parent_row = self._parent_rows(starts)
        passed = np.zeros(len(self.key), np.bool_)
        nearest = {name: np.where(marked[starts], starts, NOWHERE) for name, marked in marks.items()}
        orphans, unseen = [np.empty(0, np.intp)], [np.empty(0, np.uint64)]
        at = starts.copy()
        is_free = ~is_barrier[starts]
        climbing = np.flatnonzero(self._parent[at] != 0)
        for _ in range(MAX_DEPTH):
            if not climbing.size:
                break
            here = at[climbing]
            above = parent_row[here]
            is_here = above != NOWHERE
            lost = ~is_here & is_free[climbing]
            orphans.append(starts[climbing[lost]])
            unseen.append(self.trace[here[lost]] + self._parent[here[lost]])
            climbing, above = climbing[is_here], above[is_here]
            at[climbing] = above
            passed[above[is_free[climbing]]] = True
            is_free[climbing] &= ~is_barrier[above]
            for name, rows in nearest.items():
                rows[climbing] = np.where((rows[climbing] == NOWHERE) & marks[name][above], above, rows[climbing])
            climbing = climbing[self._parent[above] != 0]
        return Climb(passed, nearest, np.concatenate(orphans), np.concatenate(unseen))

    def _parent_rows(self, starts: Rows) -> Rows:
        """The row of each row's parent, for the traces of these starts; NOWHERE for what is not in the batch."""
        rows = np.flatnonzero(may_be_among(self.trace, self.trace[starts]))
        place = find(self.trace[rows] + self._parent[rows], self.key[rows])
        parent_row = np.full(len(self.key), NOWHERE)
        parent_row[rows] = np.where(place == MISSING, NOWHERE, rows[place])
        return parent_row
