"""What a tick tells of each series and each minute: one row, whatever was measured in between.

Detectors look at minutes: what a tick measured of one counts once. A tick of a backlog holds many of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Flags, Hashes, Integers, number
from otelbridge.analysis.identities import Identity, Watched, hash_series, identity_of
from otelbridge.analysis.saturation import MINUTE_SECONDS
from otelbridge.analysis.time_buckets import Floats
from otelbridge.core.measurements import COUNT, TIME, VALUE


@dataclass(frozen=True, slots=True)
class Latest:
    """Series by minute, in the order in which they were first seen.

    Attributes:
        frame: what was measured.
        rows: of the frame, the last of each.
        series: hash of the series of each.
        times: the latest time of each.
        sums: all that was measured of each.
        limits: where each is full; NaN where that is not known.
    """

    frame: pl.DataFrame
    rows: Integers
    series: Hashes
    times: Floats
    sums: Floats
    limits: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def values(self) -> Floats:
        """The last value of each."""
        values: Floats = self.frame[VALUE].to_numpy()[self.rows]
        return values

    def limited(self, limits: Floats) -> Latest:
        """The same with these limits."""
        return replace(self, limits=limits)

    def where(self, kept: Flags) -> Latest:
        """Some of them."""
        if kept.all():
            return self
        return Latest(
            self.frame, self.rows[kept], self.series[kept], self.times[kept], self.sums[kept], self.limits[kept]
        )

    def identity(self, watched: Watched, place: int) -> Identity:
        """What series this is."""
        return identity_of(watched, self.frame, int(self.rows[place]))

    def example(self, place: int) -> dict[str, Any]:
        """The last row, by the names of its columns."""
        return self.frame.row(int(self.rows[place]), named=True)


def latest(watched: Watched, frame: pl.DataFrame) -> Latest:
    """By series and minute, of a frame that is not empty.

    Sums are made in the order of the rows: the same to the last bit, however the frame is cut into pieces.
    """
    series, times = hash_series(watched, frame), frame[TIME].to_numpy()
    minutes = np.floor(times / MINUTE_SECONDS) + 0.0  # -0.0 becomes 0.0: equal numbers must have equal bits
    groups = number(series)
    if minutes.min() != minutes.max():
        of_minute = number(minutes.view(np.uint64))
        groups = number((groups.of_row * len(of_minute) + of_minute.of_row).astype(np.uint64))
    rows = np.zeros(len(groups), np.int64)
    rows[groups.of_row] = np.arange(len(times))  # what is written last stays: the last row
    newest = np.full(len(groups), -np.inf)
    np.maximum.at(newest, groups.of_row, times)
    amounts = frame[VALUE].to_numpy() * frame[COUNT].to_numpy()
    sums = np.bincount(groups.of_row, amounts, len(groups)).astype(np.float64, copy=False)
    return Latest(frame, rows, series[rows], newest, sums, np.full(len(rows), np.nan))
