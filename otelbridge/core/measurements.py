"""Measurements: numbers about a series, made from every span before sampling.

A frame holds the measurements of one name, one row each. What belongs together is told by the key columns: rows that
agree in them are one series. Time is the measured thing's own, not the log's, so that a backlog or a replay is judged
as it happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.core.schema import SPAN_ID, TRACE_ID, DType

TIME = "time"
VALUE = "value"
COUNT = "count"
SERVICE = "service"
ENVIRONMENT = "environment"
INSTANCE = "instance"
RELEASE = "release"

MAX_AHEAD_SECONDS = 60.0  # as far as Sentry believes clocks, too

COLUMNS: Mapping[str, DType] = {
    TIME: pl.Float64,  # seconds since the epoch: the end of the span
    VALUE: pl.Float64,  # in the measurement's unit
    COUNT: pl.UInt32,  # how many observations of this value the row stands for
    TRACE_ID: pl.UInt128,  # an example: where it was measured last
    SPAN_ID: pl.UInt64,
    RELEASE: pl.String,  # of the example; a new release continues the series
}
"""Columns of every frame of measurements, beside the keys (String, null where unknown)."""

Measurements = Mapping[str, pl.DataFrame]
"""Frames by name of the measurement."""


@dataclass(frozen=True, slots=True)
class MeasurementKind:
    """What a measurement is.

    Attributes:
        name: e.g. `db.query.duration`.
        unit: `ms`, `USD`, `tokens`, or `1` for shares and scores.
        keys: columns that tell its series apart.
        meaning: one sentence for the documentation.
    """

    name: str
    unit: str
    keys: tuple[str, ...]
    meaning: str

    def schema(self) -> dict[str, DType]:
        """Columns of its frames."""
        return {**COLUMNS, **dict.fromkeys(self.keys, pl.String)}


def measured(
    kind: MeasurementKind,
    spans: pl.DataFrame,
    rows: npt.NDArray[np.integer],
    values: npt.NDArray[np.float64],
    keys: Mapping[str, pl.Series] | None = None,
) -> pl.DataFrame | None:
    """One measurement a span; None if there is none.

    Args:
        kind: what is measured.
        spans: with end_ns, ids, release and, unless given in `keys`, the key columns.
        rows: the spans it is measured on, as row numbers.
        values: of these rows, in the unit of the measurement; rows where it is not finite are left out.
        keys: key columns (String) of these rows that the spans do not have under their name.
    """
    given = keys or {}
    usable = np.isfinite(values)
    if not usable.all():
        rows, values = rows[usable], values[usable]
        given = {name: column.filter(pl.Series(usable)) for name, column in given.items()}
    if not len(rows):
        return None
    # Columns are picked one by one: planning a query costs more than all else.
    index = pl.Series(rows.astype(np.uint32))
    return pl.DataFrame(
        [
            pl.Series(TIME, spans["end_ns"].to_numpy()[rows] / 1e9),
            pl.Series(VALUE, values),
            pl.Series(COUNT, np.ones(len(rows), np.uint32)),
            *(spans[name][index] for name in (TRACE_ID, SPAN_ID, RELEASE)),
            *((given[key] if key in given else spans[key][index]).alias(key) for key in kind.keys),
        ]
    )


def joined(parts: Iterable[tuple[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """One frame a name, rows in the order of the parts."""
    by_name: dict[str, list[pl.DataFrame]] = {}
    for name, frame in parts:
        by_name.setdefault(name, []).append(frame)
    return {name: frames[0] if len(frames) == 1 else _one_frame(frames) for name, frames in by_name.items()}


def _one_frame(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Of two makers of one measurement each may have keys of its own; who lacks one has null in it."""
    first, *others = frames
    columns = first.columns
    if any(frame.columns != columns for frame in others):
        return pl.concat(frames, how="diagonal")
    # As `pl.concat` without planning a query, a fifth of its cost: nothing is copied, the columns' pieces are listed.
    one = first.clone()
    for frame in others:
        one.vstack(frame, in_place=True)
    return one
