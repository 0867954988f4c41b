"""Rows of spans as they came, in an order that puts the rows of one trace next to each other.

The columns themselves are not sorted: each row is copied once, when its trace leaves, not twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Origin

Run = tuple[int, int]
"""Rows of one trace in a chunk: start and length in its order."""

SPARSE = 0.25  # a chunk of which less than this is still held is rewritten, so that one long trace cannot pin it
SMALLEST_WORTH_REWRITING = 256  # rows


class Chunk:
    """The spans of one batch, by trace.

    Attributes:
        ids: trace ids, one a run.
        starts, lengths: the runs.
        sizes: bytes of the raw spans of each run.
        has_root: whether a span without parent is in the run.
        records: the oldest record of the run.
        held: rows whose trace has not left.
    """

    __slots__ = ("_frame", "_order", "has_root", "held", "ids", "lengths", "origins", "records", "sizes", "starts")

    def __init__(self, frame: pl.DataFrame, origins: Mapping[int, Origin]) -> None:
        order = frame[schema.TRACE_ID].arg_sort().to_numpy()
        runs = frame[schema.TRACE_ID].gather(pl.Series(order)).rle().struct.unnest()
        lengths = runs["len"].to_numpy()
        starts = (np.cumsum(lengths) - lengths).astype(np.intp)
        sizes = frame[schema.RAW].bin.size().to_numpy()[order].astype(np.int64)
        roots = frame[schema.PARENT_SPAN_ID].is_null().to_numpy()[order]
        records = frame[schema.RECORD].to_numpy()[order]
        self._frame = frame
        self._order = order
        self.origins = dict(origins)
        self.ids: list[int] = runs["value"].to_list()
        self.starts: list[int] = starts.tolist()
        self.lengths: list[int] = lengths.tolist()
        self.sizes: list[int] = np.add.reduceat(sizes, starts).tolist()
        self.has_root: list[bool] = np.logical_or.reduceat(roots, starts).tolist()
        self.records: list[int] = np.minimum.reduceat(records, starts).tolist()
        self.held = 0

    @property
    def height(self) -> int:
        """Rows that take memory, held or not."""
        return len(self._order)

    @property
    def is_sparse(self) -> bool:
        """Whether most of the memory is for rows that have left."""
        return self.height >= SMALLEST_WORTH_REWRITING and 0 < self.held < SPARSE * self.height

    def rows(self, runs: list[Run]) -> pl.DataFrame:
        """The rows of these runs, one run after another."""
        return self._frame[pl.Series(self._order[_positions(runs)])]

    def rewrite(self, ids: list[int], runs: list[Run]) -> list[Run]:
        """Keep only these runs, in buffers of their own, and give the other rows' memory back; returns where they are.

        A gathered String or Binary column otherwise shares the buffers that it was gathered from.
        """
        kept = self.rows(runs)
        views = [column for column in kept.get_columns() if column.dtype in (pl.String, pl.Binary)]
        oldest = pl.CompatLevel.oldest()
        self._frame = kept.with_columns(pl.Series(view.name, view.to_arrow(compat_level=oldest)) for view in views)
        self._order = np.arange(kept.height, dtype=np.uint32)
        self.ids = ids
        lengths = [length for _, length in runs]
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
        self.starts, self.lengths, self.sizes, self.records = [], [], [], []  # were for the arrival
        self.has_root = []
        return list(zip(starts, lengths, strict=True))


def _positions(runs: list[Run]) -> npt.NDArray[np.int64]:
    """start, start + 1 ... of every run, one after another."""
    starts, lengths = np.array(runs, dtype=np.int64).T
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])
