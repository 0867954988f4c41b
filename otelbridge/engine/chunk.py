"""Rows of spans as they came, and which trace each of them belongs to.

The rows are neither sorted nor copied when they arrive: each is copied once, when its trace leaves. Arrays say what
rows and traces have in common, so that nothing here loops over either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.core import schema
from otelbridge.core.arrays import Booleans, is_present
from otelbridge.core.batch import Origin

Integers = npt.NDArray[np.int64]

GONE = -1  # in place of a row's trace when that has left
SPARSE = 0.25  # a chunk of which less than this is still held is rewritten, so that one long trace cannot pin it
SMALLEST_WORTH_REWRITING = 256  # rows


class Arrival:
    """What a trace buffer must know of the traces in a batch, whose rows are in the order of the log: one item a trace.

    Attributes:
        ids: trace ids.
        spans: how many rows.
        bytes: of their raw spans.
        has_root: whether a span without parent is among them.
        records, positions: of the first of them.
        of_rows: the trace of each row, as an index.
    """

    __slots__ = ("bytes", "has_root", "ids", "of_rows", "positions", "records", "spans")

    def __init__(self, rows: pl.DataFrame) -> None:
        trace_ids = rows[schema.TRACE_ID]
        order = trace_ids.arg_sort()
        runs = trace_ids.gather(order).rle().struct.unnest()
        self.spans: Integers = runs["len"].to_numpy().astype(np.int64)
        starts = np.cumsum(self.spans) - self.spans
        by_trace = order.to_numpy()
        self.ids: list[int] = runs["value"].to_list()
        self.of_rows: Integers = np.empty(len(by_trace), np.int64)
        self.of_rows[by_trace] = np.repeat(np.arange(len(starts)), self.spans)
        sizes = rows[schema.RAW].bin.size().to_numpy()[by_trace].astype(np.int64)
        self.bytes: Integers = np.add.reduceat(sizes, starts)
        roots = ~is_present(rows[schema.PARENT_SPAN_ID])[by_trace]
        self.has_root: Booleans = np.logical_or.reduceat(roots, starts)
        first = np.minimum.reduceat(by_trace, starts)
        self.records = rows[schema.RECORD].to_numpy()[first]
        self.positions = rows[schema.POSITION].to_numpy()[first]


class Chunk:
    """The spans of one batch, until the last of them has left.

    Attributes:
        origins: as in `Batch`.
        held: rows whose trace has not left.
    """

    __slots__ = ("_rows", "_slots", "held", "origins")

    def __init__(self, rows: pl.DataFrame, origins: Mapping[int, Origin], slots: Integers) -> None:
        self.origins = dict(origins)
        self.held = rows.height
        self._rows = rows
        self._slots = slots.astype(np.int32)

    @property
    def height(self) -> int:
        """Rows that take memory, held or not."""
        return len(self._slots)

    def take(self, leaving: Booleans) -> pl.DataFrame:
        """The rows of traces that leave, in the order in which they came.

        `leaving` has one item a slot, and a last one, for rows that are GONE, that is False.
        """
        chosen = leaving[self._slots]
        count = int(np.count_nonzero(chosen))
        rows = self._rows if count == self.height else self._rows.filter(pl.Series(chosen))
        self.held -= count
        self._slots[chosen] = GONE
        if self.height >= SMALLEST_WORTH_REWRITING and 0 < self.held < SPARSE * self.height:
            self._rewrite()
        return rows

    def _rewrite(self) -> None:
        """Keep only rows that are held, in buffers of their own, and give the memory of the others back.

        A filtered String or Binary column otherwise shares the buffers that it was filtered from.
        """
        held = self._slots != GONE
        rows = self._rows.filter(pl.Series(held))
        views = [column for column in rows.get_columns() if column.dtype in (pl.String, pl.Binary)]
        oldest = pl.CompatLevel.oldest()
        self._rows = rows.with_columns(pl.Series(view.name, view.to_arrow(compat_level=oldest)) for view in views)
        self._slots = self._slots[held]
