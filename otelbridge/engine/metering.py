"""From data points of metrics that somebody watches to measurements.

A level is measured as it is. A total counts by what it adds to the one before (`analysis.increments`). Of a histogram
the mean of what it adds is measured, as often as it has observations: sums stay true, and so does the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import polars as pl

from otelbridge.analysis.increments import Increments
from otelbridge.core.findings import NO_EXAMPLE
from otelbridge.core.measurements import COLUMNS, COUNT, RELEASE, TIME, VALUE
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.otlp.point_columns import ATTRIBUTES_FROM, LEVEL, TOTAL

MAX_SERIES = 10_000  # totals that are remembered
LARGEST_COUNT = 2**32 - 1  # of one row


class Metering:
    """Makes measurements of data points; remembers totals."""

    def __init__(self) -> None:
        self._totals = Increments(MAX_SERIES)
        self._is_saved = True

    def measure(self, points: Mapping[str, pl.DataFrame], now: float) -> list[tuple[str, pl.DataFrame]]:
        """Frames of measurements by name, as `core.measurements` describes them.

        Args:
            points: data points by name of the metric, all with a value; see `otlp.point_columns.points_of`.
            now: log time, for points that do not say when.
        """
        measured = [(name, self._measure(name, frame, now)) for name, frame in points.items()]
        return [(name, frame) for name, frame in measured if frame.height]

    def changes(self) -> bytes | None:
        """The state if it changed since the last call."""
        if self._is_saved:
            return None
        self._is_saved = True
        return self._totals.snapshot()

    def restore(self, state: bytes) -> None:
        """Take over what `changes` gave; raises msgspec.MsgspecError."""
        self._totals.restore(state)

    def _measure(self, name: str, points: pl.DataFrame, now: float) -> pl.DataFrame:
        times = points["time"].to_numpy()
        times = np.where(times > 0.0, times, now)
        values = points["value"].to_numpy().copy()
        counts = points["count"].fill_null(0).to_numpy().astype(np.float64)
        stays = np.ones(len(values), np.bool_)
        totals = np.flatnonzero((points["kind"] == TOTAL).to_numpy())
        if len(totals):
            self._is_saved = False
            series = _series(name, points, totals)
            for row, identity in zip(totals.tolist(), series, strict=True):
                added = self._totals.take(
                    identity, points["start"][row], times[row].item(), values[row].item(), int(counts[row])
                )
                stays[row] = added is not None
                if added is not None:
                    values[row], counts[row] = added
        is_distribution = (points["count"].is_not_null() & (points["kind"] != LEVEL)).to_numpy()
        stays &= ~is_distribution | (counts > 0)
        divisor = np.where(is_distribution & (counts > 0), counts, 1.0)
        return pl.DataFrame(
            [
                pl.Series(TIME, times),
                pl.Series(VALUE, values / divisor),
                pl.Series(COUNT, np.clip(divisor, 1, LARGEST_COUNT).astype(np.uint32)),
                pl.Series(TRACE_ID, [NO_EXAMPLE.trace_id], pl.UInt128).new_from_index(0, points.height),
                pl.Series(SPAN_ID, [NO_EXAMPLE.span_id], pl.UInt64).new_from_index(0, points.height),
                points[RELEASE],
                *(points[key] for key in points.columns[ATTRIBUTES_FROM:] if key not in COLUMNS),
            ]
        ).filter(pl.Series(stays))


def _series(name: str, points: pl.DataFrame, rows: np.ndarray) -> list[bytes]:
    """What each total is one of: the metric, its sender and its attributes, whatever order they come in."""
    columns = [column for column in points.columns[ATTRIBUTES_FROM:] if column != RELEASE]
    texts = points.select(columns)[pl.Series(rows.astype(np.uint32))]
    return [
        blake2b(
            "\0".join(
                (name, *(f"{key}={value}" for key, value in zip(columns, row, strict=True) if value is not None))
            ).encode(),
            digest_size=16,
        ).digest()
        for row in texts.iter_rows()
    ]
