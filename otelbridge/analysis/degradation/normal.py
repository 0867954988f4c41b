"""What is normal for one series: its latest blocks, the course of its day, the baseline of each channel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.baseline import NORMAL_MAD, Baseline, measure, median, middle
from otelbridge.analysis.degradation.blocks import Blocks, BlocksState
from otelbridge.analysis.degradation.first_day import DOUBTLESS, explained_by_day
from otelbridge.analysis.degradation.season import Season, SeasonState, between
from otelbridge.analysis.degradation.settings import (
    BASELINE_BLOCKS,
    FIRST_BLOCKS,
    LAG_BLOCKS,
    SETTLING_BLOCKS,
    Channel,
)

Floats = NDArray[np.float64]

MEASURED = 0
"""The baselines are measured on the blocks of the window."""
MOVED = 1
"""The level is new, the spread still that of before."""
HELD = 2
"""The baselines are those of before, until there are enough new blocks."""

OFTEN_BLOCKS = 64
"""A smaller baseline is measured anew twice as often."""

NormalState = tuple[BlocksState, SeasonState, tuple[Baseline, Baseline], int, tuple[int, int], float, int, float]


class Normal:
    """Learns from every block that is not suspicious, `LAG_BLOCKS` late."""

    __slots__ = ("_mode", "_noise", "_start", "_window", "_window_end", "bases", "blocks", "season")

    def __init__(self) -> None:
        self.blocks = Blocks()
        self.season = Season()
        self.bases = (Baseline(), Baseline())
        self._start = 0
        """Number of the first block of the present level."""
        self._window = (0, 0)
        """Numbers of the blocks that the baselines were measured on."""
        self._window_end = 0.0
        self._mode = MEASURED
        self._noise = 1.0
        """Spread of single blocks around their neighbours."""

    def learn_day(self, level: float, end: float, *, ordinary: bool = True, settled: bool = True) -> None:
        """What the block says about the course of a day."""
        before = self.season.add(level, end, self._noise, ordinary=ordinary, settled=settled)
        if before is not None and self.season.offsets is not None:
            ends = self.blocks.ends[self.blocks.within(*self._window)]
            if len(ends) == 0:
                ends = np.array([self._window_end])
            added = float((between(self.season.offsets, ends) - between(before, ends)).sum()) / len(ends)
            first, second = (base._replace(level=base.level - added) for base in self.bases)
            self.bases = (first, second)

    def _measure_on(self, start: int, stop: int) -> None:
        self._window = (start, stop)
        self._window_end = self.blocks.end_of(stop - 1)

    def is_due(self, number: int) -> bool:
        """Whether `refresh` is worth its time after this block: often at first, every 16 blocks later."""
        blocks = self.bases[0].blocks
        return number % (16 if blocks >= OFTEN_BLOCKS else 8 if blocks >= OFTEN_BLOCKS // 2 else 4) == 0

    def refresh(self, number: int, trusted: int) -> None:
        """Measure the baselines on the blocks before number `trusted`, the first that is suspicious."""
        span = number + 1 - self._start
        if span < SETTLING_BLOCKS and self._mode == HELD:
            return
        if span < SETTLING_BLOCKS and self._mode == MOVED:
            if trusted - self._start >= 3:
                self._move_to(self._start, trusted)
            return
        stop = min(trusted, number + 1 - min(LAG_BLOCKS, span // 2))
        start = max(self._start, stop - BASELINE_BLOCKS, self.blocks.first)
        if stop - start < FIRST_BLOCKS:
            return
        self._mode = MEASURED
        self._measure_on(start, stop)
        levels = self._without_day(start, stop)
        median_base, tail_base = measure(levels)
        if self.season.offsets is not None:
            raw = self.blocks.levels[:, self.blocks.within(start, stop)]
            median_base = median_base._replace(raw=median(raw[0]))
            tail_base = tail_base._replace(raw=median(raw[1]))
        self.bases = (median_base, tail_base)
        medians = levels[0]
        self._noise = NORMAL_MAD * median(np.abs(medians[1:] - medians[:-1])) / math.sqrt(2)

    def _without_day(self, start: int, stop: int) -> Floats:
        """Levels of blocks, both channels, what the time of day adds taken away."""
        where = self.blocks.within(start, stop)
        levels: Floats = self.blocks.levels[:, where].astype(np.float64)
        if self.season.offsets is not None:
            levels -= self.season.offsets_at(self.blocks.ends[where])
        return levels

    def flat(self, channel: int, start: int, stop: int) -> Floats:
        """Levels of blocks of one channel, what the time of day adds taken away."""
        levels: Floats = self._without_day(start, stop)[channel]
        return levels

    def distances(self, channel: int, start: int, stop: int, sign: float) -> Floats:
        """How far blocks lie beyond the baseline in the direction of `sign`.

        What is expected at a time of day is a guess after one day: the baseline as it was must be exceeded too.
        """
        where = self.blocks.within(start, stop)
        base = self.bases[channel]
        levels = self.blocks.levels[channel, where].astype(np.float64)
        if self.season.offsets is None:
            return sign * (levels - base.level)
        seasonal = base.level + self.season.offsets_at(self.blocks.ends[where])
        return np.minimum(sign * (levels - seasonal), sign * (levels - base.raw))

    def reference(self, channel: int, sign: float) -> Floats:
        """The same of the blocks that the baseline was measured on."""
        return self.distances(channel, *self._window, sign)

    def may_be_the_day(self, index: int, channel: Channel, start: int, size: float, sign: float) -> bool:
        """Whether a change that began near block `start` may be the course of a day of which too little is known."""
        blocks = self.blocks
        ends = blocks.ends[: blocks.size]
        if size >= DOUBTLESS or not self.season.undecided(float(ends[-1])):
            return False
        levels = sign * blocks.levels[index, : blocks.size].astype(np.float64)
        at = start - blocks.first
        return explained_by_day(levels, ends, at, channel.threshold, self.bases[index].spread)

    def move(self, number: int, blocks: int, since: float) -> None:
        """The last `blocks` are the new normal, which began at a time."""
        before = self.bases[0].level
        self._start, self._mode = number + 1 - blocks, MOVED
        self._move_to(self._start, number + 1)
        self.season.shift(self.bases[0].level - before, since)

    def _move_to(self, start: int, stop: int) -> None:
        self._measure_on(start, stop)
        where = self.blocks.within(start, stop)
        levels, raw = self._without_day(start, stop), self.blocks.levels[:, where].astype(np.float64)
        first, second = (
            base._replace(
                level=middle(levels[index], base.spread), raw=middle(raw[index], base.spread), blocks=stop - start
            )
            for index, base in enumerate(self.bases)
        )
        self.bases = (first, second)

    def hold(self, start: int) -> None:
        """What was normal is so again since block `start`; the blocks before are not to be learned from."""
        self._start, self._mode = start, HELD

    def state(self) -> NormalState:
        """Everything, exactly."""
        blocks, season = self.blocks.state(), self.season.state()
        return blocks, season, self.bases, self._start, self._window, self._window_end, self._mode, self._noise

    def take(self, state: NormalState) -> None:
        """Become what `state` described."""
        blocks, season, bases, self._start, self._window, self._window_end, self._mode, self._noise = state
        self.blocks.take(blocks)
        self.season.take(season)
        self.bases = (Baseline(*bases[0]), Baseline(*bases[1]))
