"""From data points of metrics that somebody watches to measurements.

A level is measured as it is. A total counts by what it adds to the one before (`analysis.increments`), and not at all
when it adds nothing. Of a histogram the mean of what it adds is measured, as often as it was observed: sums stay true,
and so does the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import as_index
from otelbridge.analysis.increments import Increments
from otelbridge.core.measurements import COLUMNS, COUNT, RELEASE, TIME, VALUE
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.otlp.decode_metrics import TOTAL
from otelbridge.otlp.point_columns import KINDS

MAX_SERIES = 10_000  # totals that are remembered
LARGEST_COUNT = 2**32 - 1  # of one row
_NO_KEYS = frozenset({"request", "start", "kind", *COLUMNS})


class Metering:
    """Makes measurements of data points; remembers totals.

    State: at most MAX_SERIES totals of some 150 bytes.
    """

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
        keys = [column for column in points.columns if column not in _NO_KEYS]
        times = points["time"].to_numpy()
        times = np.where(times > 0.0, times, now)
        values, counts = points["value"].to_numpy().copy(), points["count"].to_numpy().astype(np.int64)
        totals = np.flatnonzero((points["kind"] == KINDS[TOTAL]).to_numpy())
        if len(totals):
            self._is_saved = False
            identities = _identities(name, points[as_index(totals)].select(keys))
            starts = points["start"].to_numpy()
            for row, identity in zip(totals.tolist(), identities, strict=True):
                report = starts[row].item(), times[row].item(), values[row].item(), counts[row].item()
                values[row], counts[row] = self._totals.take(identity, *report) or (0.0, 0)
        # A plain counter is observed once however often it grew; a histogram that was not observed says nothing.
        stays = np.flatnonzero((counts > 0) | (values != 0.0))
        counts = np.clip(counts[stays], 1, LARGEST_COUNT)
        rest = points[as_index(stays)]
        return pl.DataFrame(
            [
                pl.Series(TIME, times[stays]),
                pl.Series(VALUE, values[stays] / counts),
                pl.Series(COUNT, counts.astype(np.uint32)),
                pl.repeat(0, len(stays), dtype=pl.UInt128, eager=True).alias(TRACE_ID),  # metrics have no example
                pl.repeat(0, len(stays), dtype=pl.UInt64, eager=True).alias(SPAN_ID),
                rest[RELEASE],
                *(rest[key] for key in keys),
            ]
        )


def _identities(name: str, keys: pl.DataFrame) -> list[bytes]:
    """What each row's series is: the metric, its sender and its attributes, whichever others occur beside them."""
    names = sorted(keys.columns)
    return [
        blake2b(
            "\0".join((name, *(f"{key}={value}" for key, value in zip(names, row, strict=True) if value))).encode(),
            digest_size=16,
        ).digest()
        for row in keys.select(names).iter_rows()
    ]
