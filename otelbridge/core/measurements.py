"""Measurements: numbers about a series, made from every span before sampling.

A frame holds the measurements of one name, one row each. What belongs together is told by the key columns: rows that
agree in them are one series. Time is the measured thing's own, not the log's, so that a backlog or a replay is judged
as it happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from otelbridge.core.schema import SPAN_ID, TRACE_ID, DType

TIME = "time"
VALUE = "value"
COUNT = "count"
SERVICE = "service"
ENVIRONMENT = "environment"
RELEASE = "release"

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
    value: pl.Expr,
    keys: Mapping[str, pl.Expr] | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """One measurement a span.

    Args:
        kind: what is measured.
        spans: the spans it is measured on (end_ns, ids, release and, unless given in `keys`, the key columns).
        value: in the unit of the measurement; rows where it is null or not finite are left out.
        keys: how to make key columns that the spans do not have under their name.
        where: on which spans (Boolean); default: on all that have a value.
    """
    made = keys or {}
    # First the rows, then the columns: most spans have no part in most measurements.
    counts = value.is_finite() if where is None else value.is_finite() & where
    rows = spans.select(counts.fill_null(value=False)).to_series().arg_true()
    if rows.is_empty():
        return pl.DataFrame(schema=kind.schema())
    needed = {"end_ns", TRACE_ID, SPAN_ID, RELEASE, *value.meta.root_names(), *(set(kind.keys) - made.keys())}
    needed.update(name for expression in made.values() for name in expression.meta.root_names())
    return spans.select(sorted(needed))[rows].select(
        (pl.col("end_ns") / 1e9).alias(TIME),
        value.cast(pl.Float64).alias(VALUE),
        pl.lit(1, pl.UInt32).alias(COUNT),
        pl.col(TRACE_ID),
        pl.col(SPAN_ID),
        pl.col(RELEASE),
        *((made[key] if key in made else pl.col(key)).cast(pl.String).alias(key) for key in kind.keys),
    )


def joined(parts: Iterable[tuple[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """One frame a name, rows in the order of the parts."""
    by_name: dict[str, list[pl.DataFrame]] = {}
    for name, frame in parts:
        by_name.setdefault(name, []).append(frame)
    return {name: frames[0] if len(frames) == 1 else pl.concat(frames) for name, frames in by_name.items()}
