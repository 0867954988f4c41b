"""What gave a loop its items: the last thing of the same sort that had ended when the loop began."""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import may_be_among, mix
from otelbridge.processors.n_plus_one.candidates import DB, Repeats, Signals
from otelbridge.processors.n_plus_one.loops import Loop
from otelbridge.processors.n_plus_one.statements import read_statements
from otelbridge.processors.n_plus_one.tree import NOWHERE

MAX_STEPS_BACK = 64  # over COMMITs and the loop's own statements, a run of equal ones at once; keeps the search linear


class Sources:
    """What may be the source of a loop, by trace and kind and in order of its end.

    Of queries that are all of the trace, wherever they stand, because an ORM puts them anywhere; of requests and tool
    calls only those that may be repeats themselves, because of the others nobody has read what they ask for.
    """

    def __init__(self, spans: pl.DataFrame, signals: Signals, repeats: Repeats) -> None:
        self._spans = spans
        queries = signals.only((signals.signal >= DB) & may_be_among(signals.trace, repeats.trace))
        others = repeats.only(repeats.kind != DB)
        rows = np.concatenate([queries.rows, others.rows])
        group = np.concatenate([mix(queries.trace, DB), mix(others.trace, others.kind)])
        signature = np.concatenate([queries.signal, others.signature])
        ends_ns = spans["end_ns"].to_numpy()
        order = np.lexsort((ends_ns[rows], group))
        self._rows, self._groups, self._signatures = rows[order], group[order], signature[order]
        self._ends_ns = ends_ns[self._rows]
        run_begins = np.diff(self._signatures, prepend=self._signatures[:1]) != 0
        self._run_starts = np.maximum.accumulate(np.where(run_begins, np.arange(len(run_begins)), 0))
        self._starts_ns = spans["start_ns"].to_numpy()
        self._is_about_data: dict[int, bool] = {}

    def of(self, loops: list[Loop]) -> list[int]:
        """Row of the source of each loop; NOWHERE when it has none."""
        groups = mix(np.array([loop.trace for loop in loops], np.uint64), np.array([loop.kind for loop in loops]))
        begins = self._groups.searchsorted(groups, "left").tolist()
        ends = self._groups.searchsorted(groups, "right").tolist()
        return [self._before(loop, begin, end) for loop, begin, end in zip(loops, begins, ends, strict=True)]

    def _before(self, loop: Loop, begin: int, end: int) -> int:
        began_ns = self._starts_ns[loop.rows[0]]
        place = begin + int(self._ends_ns[begin:end].searchsorted(began_ns, side="right")) - 1
        for _ in range(MAX_STEPS_BACK):
            if place < begin:
                break
            signature = int(self._signatures[place])
            if signature not in loop.signatures and self._may_be_source(place, signature, loop.kind):
                return int(self._rows[place])
            place = int(self._run_starts[place]) - 1
        return NOWHERE

    def _may_be_source(self, place: int, signature: int, kind: int) -> bool:
        if kind != DB:
            return True
        if signature not in self._is_about_data:
            (statement,) = read_statements(self._spans, self._rows[place : place + 1])
            self._is_about_data[signature] = statement.is_about_data
        return self._is_about_data[signature]


def needs_a_source(loop: Loop) -> bool:
    """Whether the loop means nothing without one: it only reads, and only one thing."""
    return loop.kind == DB and not loop.write and len(loop.kinds) == 1 and loop.level > 0
