"""The tracker: from measurements with a limit to utilisation, to detectors, to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.detector_table import DetectorTable
from otelbridge.analysis.identities import Identity, Watched, hash_series, identity_of
from otelbridge.analysis.saturation import SaturationDetector
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import COUNT, RELEASE, TIME, VALUE, Measurements
from otelbridge.core.schema import SPAN_ID, TRACE_ID
from otelbridge.core.tracker import Tracker
from otelbridge.trackers.capacity.report import finding
from otelbridge.trackers.capacity.settings import Config, Limit
from otelbridge.trackers.capacity.used import Used

_USED = "used"
_PER_DAY = " a day"  # in the name of a series: the same measurement may have a limit a day and one at a time


class Capacity(Tracker):
    """Watches utilisation.

    State: up to `max_series` series with a detector of at most 8 KiB each; the least recently seen leave first.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._limits: dict[Watched, Limit] = {
            (one.measurement + (_PER_DAY if one.per else ""), one.keys()): one for one in config.limits
        }
        self._detectors = DetectorTable(config.max_series, self._detector, _show)
        self._used: dict[int, Used] = {}
        self._events: Counter[str] = Counter()

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Raised when something nears its limit, resolved when it no longer does."""
        findings: list[Finding] = []
        for watched, limit in self._limits.items():
            frame = measurements.get(limit.measurement)
            if frame is not None:
                findings += self._of_limit(watched, limit, frame, now)
        return findings

    @property
    def counters(self) -> Mapping[str, int]:
        """What detectors said, and `forgotten_series`."""
        return {**self._events, "forgotten_series": self._detectors.series.forgotten}

    @property
    def series(self) -> int:
        """How many series have a detector."""
        return len(self._detectors.series)

    def changes(self) -> Mapping[str, bytes | None]:
        """Detectors, and what is used of daily limits."""
        parts = self._detectors.changes()
        return parts and {**parts, _USED: msgspec.msgpack.encode(self._used)}

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            self._detectors.restore(parts)
            if _USED in parts:
                self._used = msgspec.msgpack.decode(parts[_USED], type=dict[int, Used])
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateUnreadable(f"capacity: {error}") from error

    def _of_limit(self, watched: Watched, limit: Limit, frame: pl.DataFrame, now: float) -> list[Finding]:
        keyed = frame.with_columns(pl.Series("_series", hash_series(watched, frame)))
        # What a tick measured of a series counts once, with its latest value: detectors look at minutes.
        latest = keyed.group_by("_series", maintain_order=True).agg(
            pl.col(TIME).max(),
            (pl.col(VALUE) * pl.col(COUNT)).sum().alias("_sum"),
            pl.last(VALUE, TRACE_ID, SPAN_ID, RELEASE, *(key for key in watched[1] if key in frame.columns)),
        )
        assigned = self._detectors.assign(latest["_series"].to_numpy(), lambda row: identity_of(watched, latest, row))
        for slot, _ in assigned.fresh:
            self._used.pop(slot, None)
        rows = np.flatnonzero(assigned.slot_of_row >= 0)
        slots = assigned.slot_of_row[rows]
        times = latest[TIME].to_numpy()[rows]
        if limit.per == "day":
            sums = latest["_sum"].to_numpy()[rows].tolist()
            amounts = [
                self._used.setdefault(slot, Used()).add(time, amount)
                for slot, time, amount in zip(slots.tolist(), times.tolist(), sums, strict=True)
            ]
        else:
            amounts = latest[VALUE].to_numpy()[rows].tolist()
        inputs = np.column_stack((times, np.array(amounts) / limit.limit, np.zeros(len(rows))))
        return [
            self._finding(slot, said, limit, latest.row(int(rows[row]), named=True), now)
            for row, slot, said in self._detectors.show(slots, inputs)
        ]

    def _detector(self, identity: Identity) -> SaturationDetector | None:
        if identity[:2] not in self._limits:
            return None
        return SaturationDetector(
            horizon_seconds=self._config.hours_ahead * 3600, high_level=self._config.max_utilization
        )

    def _finding(
        self, slot: int, said: Mapping[str, Any], limit: Limit, example: Mapping[str, Any], now: float
    ) -> Finding:
        self._events[said["kind"]] += 1
        return finding(said, self._detectors.identities[slot], limit, example, now)


def _show(detector: SaturationDetector, time: float, utilization: float, _unused: float) -> Mapping[str, Any] | None:
    return detector.update(time, utilization)


SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="capacity",
    config=Config,
    build=lambda config, _context: Capacity(config),
    summary="Tells when something fills up, and when it will be full",
    watches=lambda config: frozenset(limit.measurement for limit in config.limits),
)
