"""Blocks of one series: their levels and when they ended; and the order statistics that make a block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.settings import CAPACITY, SHIFT, VALUE_FLOOR

Floats = NDArray[np.float64]

LOWEST = math.log(VALUE_FLOOR)

BlocksState = tuple[int, bytes, bytes, float, float]


def tail_rank(size: int) -> int:
    """Index of the 90th percentile among `size` values in order: the nearest rank."""
    return math.floor(0.9 * (size - 1) + 0.5)


def block_material(blocks: Floats) -> tuple[Floats, Floats]:
    """Median and 90th percentile of each row of values; rows may be of any series, so that many share the work."""
    ordered = np.sort(blocks, axis=1)
    size = blocks.shape[1]
    lower, upper = ordered[:, (size - 1) // 2], ordered[:, size // 2]
    return lower + (upper - lower) * 0.5, ordered[:, tail_rank(size)]


class Blocks:
    """The last blocks, oldest first and always in a row, so that a slice is a window. 16 bytes a block."""

    __slots__ = ("_grain", "_zero", "ends", "first", "levels", "size")

    def __init__(self) -> None:
        self.levels = np.zeros((2, CAPACITY), np.float32)
        """Logarithms of median and 90th percentile."""
        self.ends = np.zeros(CAPACITY)
        self.size = 0
        self.first = 0
        """Number of the oldest block that is remembered."""
        self._grain = math.inf
        self._zero = LOWEST

    @property
    def count(self) -> int:
        """Blocks seen since the start."""
        return self.first + self.size

    def append(self, median: float, tail: float, end: float) -> tuple[float, float]:
        """One more block; the oldest leave when there is no room. Its levels."""
        if median < self._grain:
            self._learn_zero(median, tail)
        if self.size == CAPACITY:
            for array in (self.levels, self.ends):
                array[..., :-SHIFT] = array[..., SHIFT:]
            self.size -= SHIFT
            self.first += SHIFT
        levels = (
            math.log(median) if median > VALUE_FLOOR else self._zero,
            math.log(tail) if tail > VALUE_FLOOR else self._zero,
        )
        at = self.size
        self.levels[0, at], self.levels[1, at] = levels
        self.ends[at] = end
        self.size = at + 1
        return levels

    def _learn_zero(self, median: float, tail: float) -> None:
        """Zero has no logarithm: that of half the smallest level ever seen stands for it, as a coarse clock would."""
        first = self._grain == math.inf
        for value in (median, tail):
            if VALUE_FLOOR < value < self._grain:
                self._grain = value
                self._zero = max(math.log(value / 2), LOWEST)
        if first and self._grain < math.inf:
            np.maximum(self.levels, self._zero, out=self.levels)

    def within(self, start: int, stop: int) -> slice:
        """Positions of the blocks number `start` to before `stop`, as far as they are remembered."""
        return slice(max(start - self.first, 0), max(stop - self.first, 0))

    def end_of(self, number: int) -> float:
        """When a block ended; the oldest that is remembered stands for earlier ones."""
        return float(self.ends[min(max(number - self.first, 0), self.size - 1)])

    def state(self) -> BlocksState:
        """Everything, exactly."""
        levels, ends = self.levels[:, : self.size], self.ends[: self.size]
        return self.first, levels.tobytes(), ends.tobytes(), self._grain, self._zero

    def take(self, state: BlocksState) -> None:
        """Become what `state` described."""
        self.first, levels, ends, self._grain, self._zero = state
        self.size = len(ends) // self.ends.itemsize
        self.levels[:, : self.size] = np.frombuffer(levels, np.float32).reshape(2, self.size)
        self.ends[: self.size] = np.frombuffer(ends)
