"""Where each series is full: a number for all of them, or what a measurement says of each."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.grouping import Hashes
from otelbridge.analysis.identities import Watched, hash_series
from otelbridge.analysis.time_buckets import Floats
from otelbridge.core.measurements import VALUE


class ToldLimits:
    """Limits that measurements tell, the latest of each series.

    State: at most `max_series` numbers; those that were first told longest ago leave first, and are told again.
    """

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._limits: dict[int, float] = {}
        self._is_saved = True

    def learn(self, watched: Watched, frame: pl.DataFrame) -> None:
        """Take the limits of a frame; what is not above 0 means that there is none."""
        for series, limit in zip(hash_series(watched, frame).tolist(), frame[VALUE].to_list(), strict=True):
            if self._limits.get(series) == limit:
                continue
            self._is_saved = False
            if limit > 0.0:
                self._limits[series] = limit
            else:
                self._limits.pop(series, None)
            if len(self._limits) > self._max_series:
                del self._limits[next(iter(self._limits))]

    def of(self, series: Hashes) -> Floats:
        """The limit of each series, NaN where none was told."""
        return np.array([self._limits.get(one, np.nan) for one in series.tolist()], np.float64)

    def changes(self) -> bytes | None:
        """The state if it changed since the last call."""
        if self._is_saved:
            return None
        state = msgspec.msgpack.encode(self._limits)
        self._is_saved = True
        return state

    def restore(self, state: bytes) -> None:
        """Take over what `changes` gave; raises msgspec.MsgspecError."""
        self._limits = msgspec.msgpack.decode(state, type=dict[int, float])
