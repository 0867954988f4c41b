"""The tracker: from measurements to blocks of series, to detectors, to findings."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
import polars as pl

from otelbridge.analysis.block_table import SHARD, BlockTable, WaitingShard
from otelbridge.analysis.degradation import DegradationDetector, block_material
from otelbridge.analysis.degradation.settings import BLOCK_SIZE
from otelbridge.analysis.detector_table import DetectorTable
from otelbridge.analysis.grouping import Hashes
from otelbridge.analysis.identities import Identity, Watched, hash_series, identity_of
from otelbridge.analysis.intervals import Floats
from otelbridge.core.component import ComponentSpec, Kind
from otelbridge.core.errors import StateUnreadable
from otelbridge.core.findings import Finding
from otelbridge.core.measurements import TIME, VALUE, Measurements
from otelbridge.core.tracker import Tracker
from otelbridge.trackers.degradation.report import finding
from otelbridge.trackers.degradation.settings import Config, Watch

_WAITING = "waiting"


class Degradation(Tracker):
    """Watches levels.

    State: up to `max_series` series with a detector of at most 8 KiB each; the least recently seen leave first.
    """

    def __init__(self, config: Config) -> None:
        self._watches: dict[Watched, Watch] = {(watch.measurement, watch.keys()): watch for watch in config.watch}
        self._max_series = config.max_series
        self._blocks = BlockTable(config.max_series, BLOCK_SIZE)
        self._detectors = DetectorTable(config.max_series, self._detector, DegradationDetector.update_block)
        self._events: Counter[str] = Counter()
        self._gone_shards: list[int] = []  # saved, when there was room for more series

    def observe(self, measurements: Measurements, now: float) -> Sequence[Finding]:
        """Raised when a series became slower, resolved when it is as before or its new level is accepted."""
        watched = [(key, _usable(measurements[key[0]])) for key in self._watches if key[0] in measurements]
        if not watched:
            return ()
        frames = _Frames(watched)
        assigned = self._detectors.assign(frames.hashes, frames.identity)
        self._blocks.clear([slot for slot, _ in assigned.fresh])
        completed = self._blocks.add(assigned.slot_of_row, frames.column(TIME), frames.column(VALUE))
        self._events.update(measurements=len(frames.hashes), blocks=len(completed.slots))
        if not len(completed.slots):
            return ()
        inputs = np.column_stack((*block_material(completed.values), completed.ends))
        return [
            self._finding(slot, said, frames.row(int(completed.last_rows[block])), now)
            for block, slot, said in self._detectors.show(completed.slots, inputs)
        ]

    @property
    def counters(self) -> Mapping[str, int]:
        """`measurements` and `blocks` seen, what detectors said, forgotten series, refused measurements."""
        series = self._detectors.series
        return {
            **self._events,
            "forgotten_series": series.forgotten,
            "refused_measurements": series.refused,
        }

    @property
    def series(self) -> int:
        """How many series have a detector."""
        return len(self._detectors.series)

    def changes(self) -> Mapping[str, bytes | None]:
        """Detectors and what waits for a block to be full."""
        changed = self._detectors.changes()
        waiting = self._blocks.changes()
        gone = dict.fromkeys(f"{_WAITING} {shard}" for shard in self._gone_shards)
        self._gone_shards = []
        return {
            **changed,
            **gone,
            **{f"{_WAITING} {shard}": msgspec.msgpack.encode(state) for shard, state in waiting.items()},
        }

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over a state; raises StateUnreadable."""
        try:
            self._detectors.restore(parts)
            for name, part in parts.items():
                kind, _, shard = name.partition(" ")
                if kind == _WAITING and int(shard) * SHARD >= self._max_series:
                    self._gone_shards.append(int(shard))
                elif kind == _WAITING:
                    self._blocks.take(int(shard), msgspec.msgpack.decode(part, type=WaitingShard))
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateUnreadable(f"degradation: {error}") from error
        self._blocks.clear([slot for slot in range(self._max_series) if slot not in self._detectors.identities])

    def _detector(self, identity: Identity) -> DegradationDetector | None:
        watch = self._watches.get(identity[:2])
        if watch is None:
            return None
        return DegradationDetector(
            min_increase=watch.min_increase,
            min_change=watch.min_change,
            tail_increase=watch.min_tail_increase,
            hold_seconds=watch.hold_seconds,
        )

    def _finding(self, slot: int, said: Mapping[str, Any], example: Mapping[str, Any], now: float) -> Finding:
        self._events[said["kind"]] += 1
        identity = self._detectors.identities[slot]
        return finding(said, identity, self._watches[identity[:2]].unit, example, now)


def _usable(frame: pl.DataFrame) -> pl.DataFrame:
    """What is negative is no duration, size or number of anything."""
    return frame.filter(pl.col(VALUE) >= 0) if (frame[VALUE] < 0).any() else frame


class _Frames:
    """The rows of several frames, as if they were one after another in one.

    Only what every row needs is put together: a row is looked at as a whole where there is something to say of it.
    """

    def __init__(self, watched: Sequence[tuple[Watched, pl.DataFrame]]) -> None:
        self._watched = watched
        self._starts = list(accumulate((frame.height for _, frame in watched), initial=0))
        self.hashes: Hashes = np.concatenate([hash_series(key, frame) for key, frame in watched])

    def column(self, name: str) -> Floats:
        """A column of numbers."""
        return np.concatenate([frame[name].to_numpy() for _, frame in self._watched])

    def identity(self, row: int) -> Identity:
        """The series of a row."""
        key, frame, place = self._of(row)
        return identity_of(key, frame, place)

    def row(self, row: int) -> Mapping[str, Any]:
        """Everything of a row."""
        _, frame, place = self._of(row)
        return frame.row(place, named=True)

    def _of(self, row: int) -> tuple[Watched, pl.DataFrame, int]:
        number = bisect_right(self._starts, row) - 1
        key, frame = self._watched[number]
        return key, frame, row - self._starts[number]


SPEC = ComponentSpec(
    kind=Kind.TRACKER,
    name="degradation",
    config=Config,
    build=lambda config, _context: Degradation(config),
    summary="Tells when a query, route, model call or tool call has become slower, once a change",
    watches=lambda config: frozenset(watch.measurement for watch in config.watch),
    keys=lambda config: frozenset[str]().union(*(watch.keys() for watch in config.watch)),
)
