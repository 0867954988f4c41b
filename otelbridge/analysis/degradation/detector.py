"""Whether a series of durations has become slower, said once.

Values are gathered into blocks of 32, whose median and 90th percentile are two channels. In each a CUSUM looks for a
candidate, which four questions (`evidence`) and the course of the day (`season`, `first_day`) must confirm. The
baseline stands still while anything is suspicious, is the new level when that has lasted, and follows an improvement at
once.
"""

from __future__ import annotations

import math
from array import array

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from otelbridge.analysis.degradation.blocks import block_material, tail_rank
from otelbridge.analysis.degradation.events import Event
from otelbridge.analysis.degradation.settings import BLOCK_SIZE, HOLD_SECONDS, VALUE_CEILING, shared
from otelbridge.analysis.degradation.verdicts import Verdicts, VerdictsState

Floats = NDArray[np.float64]


class _State(msgspec.Struct, array_like=True):
    """A snapshot."""

    block_size: int
    pending: bytes
    pending_end: float
    verdicts: VerdictsState


class DegradationDetector:
    """One series: 8 KiB at most.

    Which way the values come makes no difference to the events: one by one (`update`), in arrays however split
    (`update_many`), or as blocks whose order statistics somebody else worked out for many series at once
    (`update_block`).

    Args:
        min_increase: relative increase of the median that is worth an alert.
        min_change: increase in the unit of the values that is worth an alert; both must hold.
        tail_increase: relative increase of the 90th percentile that is worth an alert.
        hold_seconds: how long a change must last, by the timestamps; shorter ones are not told.
        block_size: values a block, at least 4. Fewer are faster and see more in noise.

    Raises:
        ValueError: a setting makes no sense.
    """

    __slots__ = ("_pending", "_pending_end", "_settings", "_size", "_tail_rank", "_verdicts")

    def __init__(
        self,
        *,
        min_increase: float = 0.20,
        min_change: float = 0.0,
        tail_increase: float = 0.40,
        hold_seconds: float = HOLD_SECONDS,
        block_size: int = BLOCK_SIZE,
    ) -> None:
        self._settings = shared(min_increase, min_change, tail_increase, hold_seconds, block_size)
        self._size = block_size
        self._tail_rank = tail_rank(block_size)
        self._clear()

    def _clear(self) -> None:
        self._pending = array("d")
        self._pending_end = -math.inf
        self._verdicts = Verdicts(self._settings)

    def update(self, timestamp: float, value: float) -> Event | None:
        """One value. Anything but a finite number that is not negative, at a finite time, is ignored."""
        if not (0.0 <= value <= VALUE_CEILING and -VALUE_CEILING <= timestamp <= VALUE_CEILING):
            return None
        pending = self._pending
        pending.append(value)
        if timestamp > self._pending_end:
            self._pending_end = timestamp
        size = self._size
        if len(pending) < size:
            return None
        ordered = sorted(pending)
        lower, upper = ordered[(size - 1) // 2], ordered[size // 2]
        end = float(self._pending_end)
        self._pending = array("d")
        self._pending_end = -math.inf
        return self._verdicts.add(lower + (upper - lower) * 0.5, ordered[self._tail_rank], end)

    def update_many(self, timestamps: ArrayLike, values: ArrayLike) -> list[Event]:
        """Values in the order in which they came; the same as `update` of each."""
        times, numbers = np.asarray(timestamps, np.float64), np.asarray(values, np.float64)
        valid = (numbers >= 0.0) & (numbers <= VALUE_CEILING) & (np.abs(times) <= VALUE_CEILING)
        if not valid.all():
            times, numbers = times[valid], numbers[valid]
        size = self._size
        head = min((size - len(self._pending)) % size, len(numbers))
        found = [self.update(*pair) for pair in zip(times[:head].tolist(), numbers[:head].tolist(), strict=True)]
        stop = head + (len(numbers) - head) // size * size
        if stop > head:
            medians, tails = block_material(numbers[head:stop].reshape(-1, size))
            ends = times[head:stop].reshape(-1, size).max(axis=1)
            add = self._verdicts.add
            for median, tail, end in zip(medians.tolist(), tails.tolist(), ends.tolist(), strict=True):
                found.append(add(median, tail, end))
        if stop < len(numbers):
            self._pending.extend(numbers[stop:].tolist())
            self._pending_end = max(self._pending_end, float(times[stop:].max()))
        return [event for event in found if event is not None]

    def update_block(self, median: float, p90: float, end: float) -> Event | None:
        """One whole block: order statistics as `block_material` gives them, finite, and its latest time.

        For trackers of many series, which gather the values themselves. Not to be mixed with values: a block that is
        half full stays so.
        """
        return self._verdicts.add(float(median), float(p90), float(end))

    def snapshot(self) -> bytes:
        """Everything, exactly: what `restore` takes over goes on as if nothing had been."""
        state = _State(self._size, self._pending.tobytes(), float(self._pending_end), self._verdicts.state())
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote. Of blocks of another size nothing can be kept: the series starts anew."""
        taken = msgspec.msgpack.decode(state, type=_State)
        self._clear()
        if taken.block_size != self._size:
            return
        self._pending.frombytes(taken.pending)
        self._pending_end = taken.pending_end
        self._verdicts.take(taken.verdicts)
