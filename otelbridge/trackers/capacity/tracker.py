"""The tracker: from measurements with a limit to utilisation, to detectors, to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.detector_table import DetectorTable
from otelbridge.analysis.grouping import flags, taken
from otelbridge.analysis.identities import Identity, Watched
from otelbridge.analysis.saturation import SaturationDetector
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.trackers.capacity.latest import Latest, latest
from otelbridge.trackers.capacity.limits import ToldLimits
from otelbridge.trackers.capacity.open_alarms import Alarm, OpenAlarms
from otelbridge.trackers.capacity.report import LIMIT, finding, gone
from otelbridge.trackers.capacity.settings import MISCOUNTED, Config, Limit
from otelbridge.trackers.capacity.used import Used

_USED, _TOLD, _ALARMS = "used", "limits", "alarms"
ONE = 1.0
"""A pool of one is full whenever it is used, and instrumentation-pg calls it used until it is used again."""
_PER_DAY = " a day"  # in the name of a series: the same measurement may have a limit a day and one at a time


class Capacity(Tracker):
    """Watches utilisation.

    State: up to `max_series` series with a detector of at most 8 KiB each; the least recently seen leave first.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._limits: dict[Watched, Limit] = {
            (one.measurement + (_PER_DAY if one.per else ""), one.keys()): one for one in config.watched()
        }
        self._miscounted = {
            watched for watched, limit in self._limits.items() if any(limit is one for one in MISCOUNTED)
        }
        self._told = ToldLimits(config.max_series)
        self._detectors = DetectorTable(config.max_series, self._detector, _show)
        self._used: dict[int, Used] = {}
        self._alarms = OpenAlarms()
        self._events: Counter[str] = Counter()

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Raised when something nears its limit, resolved when it no longer does."""
        findings: list[Finding] = []
        for watched, limit in self._limits.items():
            if isinstance(limit.limit, str) and limit.limit in measurements:
                self._told.learn(watched, measurements[limit.limit])
            if (frame := measurements.get(limit.measurement)) is None:
                continue
            frame = _where(limit.where, frame)
            if frame.height:
                findings += self._of_limit(watched, limit, frame, now)
        return findings + self._of_silent(now)

    @property
    def counters(self) -> Mapping[str, int]:
        """What detectors said, `impossible` values, series in alarm that are `gone`, and `forgotten_series`."""
        return {**self._events, "forgotten_series": self._detectors.series.forgotten}

    @property
    def series(self) -> int:
        """How many series have a detector."""
        return len(self._detectors.series)

    def changes(self) -> Mapping[str, bytes | None]:
        """Detectors, and what is used of daily limits."""
        # First what may raise and notes nothing as saved: it must not lose what the detectors learnt.
        used = msgspec.msgpack.encode(self._used)
        parts = dict(self._detectors.changes())
        if parts:
            parts[_USED] = used
        if (told := self._told.changes()) is not None:
            parts[_TOLD] = told
        if (alarms := self._alarms.changes()) is not None:
            parts[_ALARMS] = alarms
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            self._detectors.restore(parts)
            if _USED in parts:
                used = msgspec.msgpack.decode(parts[_USED], type=dict[int, Used])
                self._used = {slot: one for slot, one in used.items() if slot in self._detectors.identities}
            if _TOLD in parts:
                self._told.restore(parts[_TOLD])
            if _ALARMS in parts:
                self._alarms.restore(parts[_ALARMS], self._detectors.identities)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateUnreadable(f"capacity: {error}") from error

    def _of_limit(self, watched: Watched, limit: Limit, frame: pl.DataFrame, now: float) -> list[Finding]:
        seen = self._limited(watched, limit, latest(watched, frame))
        assigned = self._detectors.assign(seen.series, lambda place: seen.identity(watched, place))
        for slot, _ in assigned.fresh:
            self._used.pop(slot, None)
        forgotten = self._alarms.take_forgotten(slot for slot, _ in assigned.fresh)
        findings = [self._gone(alarm, now) for alarm in forgotten]
        places = np.flatnonzero(assigned.slot_of_row >= 0)
        slots, times = assigned.slot_of_row[places], seen.times[places]
        self._alarms.hear(slots.tolist(), times.tolist())
        if limit.per == "day":
            amounts = [
                self._used.setdefault(slot, Used()).add(time, amount)
                for slot, time, amount in zip(slots.tolist(), times.tolist(), seen.sums[places].tolist(), strict=True)
            ]
        else:
            amounts = seen.values[places].tolist()
        inputs = np.column_stack((times, np.array(amounts) / seen.limits[places], np.zeros(len(places))))
        for row, slot, said in self._detectors.show(slots, inputs):
            place = int(places[row])
            example = {**seen.example(place), LIMIT: float(seen.limits[place])}
            findings.append(self._finding(slot, said, limit, example, now))
        return findings

    def _of_silent(self, now: float) -> list[Finding]:
        """The ends of alarms whose series are not there any more; what was known of them is forgotten."""
        silent = self._alarms.take_silent()
        for slot, _ in silent:
            self._used.pop(slot, None)
        self._detectors.release([slot for slot, _ in silent])
        return [self._gone(alarm, now) for _, alarm in silent]

    def _gone(self, alarm: Alarm, now: float) -> Finding:
        self._events["gone"] += 1
        return gone(alarm, self._limits[alarm.identity[:2]], now)

    def _limited(self, watched: Watched, limit: Limit, seen: Latest) -> Latest:
        """Those whose limit is known, and what can be."""
        if not isinstance(limit.limit, str):
            return seen.limited(np.full(len(seen), limit.limit))
        told = seen.limited(self._told.of(seen.series))
        least = ONE if watched in self._miscounted else 0.0
        told = told.where(told.limits > least)  # which NaN is not
        return self._believed(told) if watched in self._miscounted else told

    def _believed(self, seen: Latest) -> Latest:
        """Without what cannot be."""
        possible = seen.where((seen.values >= 0.0) & (seen.values <= seen.limits))
        if len(seen) > len(possible):
            self._events["impossible"] += len(seen) - len(possible)
        return possible

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
        self._alarms.note(slot, self._detectors.identities[slot], is_alarm=said["kind"] == "alert")
        return finding(said, self._detectors.identities[slot], limit, example, now)


def _where(wanted: Mapping[str, str], frame: pl.DataFrame) -> pl.DataFrame:
    """The rows whose columns have these values."""
    if not wanted:
        return frame
    if any(column not in frame.columns for column in wanted):
        return frame.clear()
    are_wanted = np.logical_and.reduce([flags(frame[column] == value) for column, value in wanted.items()])
    return frame if are_wanted.all() else taken(frame, frame.columns, np.flatnonzero(are_wanted))


def _show(detector: SaturationDetector, time: float, utilization: float, _unused: float) -> Mapping[str, Any] | None:
    return detector.update(time, utilization)


SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="capacity",
    config=Config,
    build=lambda config, _context: Capacity(config),
    summary="Tells when something fills up, and when it will be full",
    watches=lambda config: frozenset[str]().union(*(limit.names for limit in config.watched())),
    keys=lambda config: frozenset[str]().union(*(limit.columns for limit in config.watched())),
)
