"""From data points of metrics that somebody watches to measurements.

A level is measured as it is. A total counts by what it adds to the one before (`analysis.increments`), and not at all
when it adds nothing. Of a histogram the mean of what it adds is measured, as often as it was observed: sums stay true,
and so does the mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.analysis.grouping import as_index
from otelbridge.analysis.increments import Increments, Nothing
from otelbridge.core.measurements import COLUMNS, COUNT, MAX_AHEAD_SECONDS, RELEASE, TIME, VALUE
from otelbridge.core.outcomes import DropReason
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.otlp.decode_metrics import TOTAL
from otelbridge.otlp.point_columns import POINT_COLUMNS

MAX_TOTALS = 50_000  # of some 300 bytes each
LARGEST_COUNT = 2**32 - 1  # of one row
_NO_KEYS = frozenset({*POINT_COLUMNS, *COLUMNS})
_WHY = {Nothing.FIRST: DropReason.FIRST_TOTAL, Nothing.REPEATED: DropReason.REPEATED}

Measured = list[tuple[str, pl.DataFrame]]
"""Frames of measurements by name, as `core.measurements` describes them."""


class Metering:
    """Makes measurements of data points; remembers totals.

    State: at most MAX_TOTALS totals.
    """

    def __init__(self) -> None:
        self._totals = Increments(MAX_TOTALS)

    @property
    def forgotten_totals(self) -> int:
        """Totals that had to leave, since the start."""
        return self._totals.forgotten

    def measure(
        self, points: Mapping[str, pl.DataFrame], now: float, since: float
    ) -> tuple[Measured, Counter[DropReason]]:
        """The measurements, and how many points are none, by reason.

        Args:
            points: data points by name of the metric; see `otlp.point_columns.points_of`.
            now: log time, for points that do not say when, or that say it wrongly.
            since: the log's first moment: totals that began later are new as a whole.
        """
        dropped: Counter[DropReason] = Counter()
        measured = [(name, self._measure(frame, now, since, dropped)) for name, frame in points.items()]
        return [(name, frame) for name, frame in measured if frame.height], +dropped

    def changes(self) -> Mapping[str, bytes]:
        """Parts of the state that changed since the last call."""
        return self._totals.changes()

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `changes` gave so far; raises msgspec.MsgspecError."""
        self._totals.restore(parts)

    def _measure(self, points: pl.DataFrame, now: float, since: float, dropped: Counter[DropReason]) -> pl.DataFrame:
        valued = points.filter(pl.col("_value").is_finite())
        dropped[DropReason.NO_VALUE] += points.height - valued.height
        times = valued["_time"].to_numpy()
        times = np.where(times > 0.0, np.minimum(times, now + MAX_AHEAD_SECONDS), now)
        values, counts = valued["_value"].to_numpy().copy(), valued["_count"].to_numpy().astype(np.int64)
        rows = np.flatnonzero(valued["_kind"].to_numpy() == TOTAL)
        if len(rows):
            totals = valued[as_index(rows)]
            reports = zip(
                totals["_identity"].to_list(),
                totals["_start"].to_list(),
                times[rows].tolist(),
                values[rows].tolist(),
                counts[rows].tolist(),
                strict=True,
            )
            values[rows], counts[rows] = self._added(reports, since, dropped)
        # A plain counter is observed once however often it grew; a histogram that was not observed says nothing.
        stays = np.flatnonzero((counts > 0) | (values != 0.0))
        counts = np.clip(counts[stays], 1, LARGEST_COUNT)
        rest = valued[as_index(stays)]
        return pl.DataFrame(
            [
                pl.Series(TIME, times[stays]),
                pl.Series(VALUE, values[stays] / counts),
                pl.Series(COUNT, counts.astype(np.uint32)),
                pl.repeat(0, len(stays), dtype=pl.UInt128, eager=True).alias(TRACE_ID),  # metrics have no example
                pl.repeat(0, len(stays), dtype=pl.UInt64, eager=True).alias(SPAN_ID),
                rest[RELEASE],
                *(rest[key] for key in rest.columns if key not in _NO_KEYS),
            ]
        )

    def _added(
        self, reports: Iterable[tuple[int, float, float, float, int]], since: float, dropped: Counter[DropReason]
    ) -> npt.NDArray[np.float64]:
        """Two rows: what each report adds to value and count."""
        added: list[tuple[float, int]] = []
        for report in reports:
            taken = self._totals.take(*report, since)
            if isinstance(taken, Nothing):
                dropped[_WHY[taken]] += 1
                taken = (0.0, 0)
            added.append(taken)
        return np.array(added, np.float64).T
