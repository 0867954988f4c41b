"""Blocks of one series: their levels and when they ended; and the order statistics that make a block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.settings import CAPACITY, SHIFT

Floats = NDArray[np.float64]


def tail_rank(size: int) -> int:
    """Index of the 90th percentile among `size` values in order: the nearest rank."""
    return math.floor(0.9 * (size - 1) + 0.5)


def block_material(blocks: Floats) -> tuple[Floats, Floats]:
    """Median and 90th percentile of each row; rows may belong to any series."""
    ordered = np.sort(blocks, axis=1)
    size = blocks.shape[1]
    lower, upper = ordered[:, (size - 1) // 2], ordered[:, size // 2]
    return lower + (upper - lower) * 0.5, ordered[:, tail_rank(size)]


class Blocks:
    """The last blocks, oldest first, in rows of arrays: always in a row, so that a slice is a window.

    2 float32 logarithms and 1 float64 time a block: 16 bytes.
    """

    __slots__ = ("ends", "first", "levels", "size")

    def __init__(self) -> None:
        self.levels = np.zeros((2, CAPACITY), np.float32)
        self.ends = np.zeros(CAPACITY)
        self.size = 0
        self.first = 0
        """Number of the oldest block that is remembered."""

    @property
    def count(self) -> int:
        """Blocks seen since the start."""
        return self.first + self.size

    def append(self, median: float, tail: float, end: float) -> None:
        """One more block; the oldest leave when there is no room."""
        if self.size == CAPACITY:
            for array in (self.levels, self.ends):
                array[..., :-SHIFT] = array[..., SHIFT:]
            self.size -= SHIFT
            self.first += SHIFT
        at = self.size
        self.levels[0, at] = median
        self.levels[1, at] = tail
        self.ends[at] = end
        self.size = at + 1

    def within(self, start: int, stop: int) -> slice:
        """Positions of the blocks number `start` to before `stop`, as far as they are remembered."""
        return slice(max(start - self.first, 0), max(stop - self.first, 0))

    def end_of(self, number: int) -> float:
        """When a block ended; the oldest that is remembered stands for earlier ones."""
        return float(self.ends[min(max(number - self.first, 0), self.size - 1)])

    def state(self) -> tuple[int, bytes, bytes]:
        """Everything, exactly."""
        return self.first, self.levels[:, : self.size].tobytes(), self.ends[: self.size].tobytes()

    def take(self, state: tuple[int, bytes, bytes]) -> None:
        """Become what `state` described."""
        self.first, levels, ends = state
        self.size = len(ends) // self.ends.itemsize
        self.levels[:, : self.size] = np.frombuffer(levels, np.float32).reshape(2, self.size)
        self.ends[: self.size] = np.frombuffer(ends)
