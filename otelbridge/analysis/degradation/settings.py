"""What the detector of level changes takes for granted, each with its reason.

The constants were set on streams of known changes (`python -m bench.detection`); "by trial" says that there is no other
ground. Levels are natural logarithms of values, so that a relative change is a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

BLOCK_SIZE = 32
"""Values a block. Its median stands up to 15 outliers in a row; 64 would double the delay, 16 doubles the cost."""

MIN_BLOCK_SIZE = 4
"""Below that a block has no 90th percentile of its own."""

BASELINE_BLOCKS = 192
"""Blocks that make the baseline: 6,144 values, three times the longest ramp that has to be seen."""

LAG_BLOCKS = 64
"""How late a block enters the baseline: a ramp of 2,000 values is over before the baseline begins to follow it."""

CAPACITY = 304
"""Blocks remembered: baseline, lag, and 48 more for a change that is still being judged."""

SHIFT = 16
"""How many of the oldest blocks are let go at once, so that the rest always lie in a row."""

FIRST_BLOCKS = 16
"""Blocks in the first baseline: 512 values, of 1,024 that are seen before the first verdict."""

SETTLING_BLOCKS = 48
"""Blocks at a new level until its spread is measured; until then it is taken to be that of the old level."""

ALLOWANCE = 0.75
"""Share of the threshold that a block must exceed to be suspicious (k of a CUSUM; by trial)."""

HOLD_SECONDS = 30.0
"""What is over sooner is a lock, a pause, a restart: nobody could look at it. It matters to busy series alone, which
have a block in less than a second: three blocks of three values a second last as long."""

DECISION = 6.0
"""Sum of suspicious spreads that makes a candidate (h of a CUSUM). With `CLIP` no two blocks can reach it."""

CLIP = 2.5
"""What a single block can add at most: heavy tails and bursts are worth no more than a clear shift."""

CEILING = 3 * DECISION
"""The sum grows no further: what is over must be over soon."""

ABSORPTION_BLOCKS = 192
"""Blocks after which a suspicion that was never confirmed is taken for the new normal."""

ADOPTION_BLOCKS = 64
"""Blocks after an alert until a level that stands still is the new normal (2,048 values)."""

FIRST_DAY_ADOPTION_BLOCKS = 160
"""The same while it may be the course of an unknown day, of which half would be over by then at 5 s a value."""

ADOPTION_LIMIT = 224
"""Blocks until a level that does not stand still is."""

ADOPTED_BLOCKS = 32
"""Blocks that a new normal is measured on; both halves must be alike for it to stand still."""

STANDSTILL_SHARE = 0.35
"""Share of the threshold by which the halves may differ (by trial)."""

RECOVERY_SHARE = 0.5
"""A level is back when less than this share of the threshold is left; hysteresis against repeated alerts."""

RECOVERY_CONFIDENCE = 1.5
"""Standard errors above what is left that must stay below the threshold (by trial)."""

WEEKEND_SECONDS = (36 * 3_600.0, 66 * 3_600.0)
"""A level that falls and is back after so long was away for a weekend: two days, Friday evening to Monday morning at
most; a gradual fall is noticed up to half a day late."""

BRIEF_SECONDS = 120.0
"""A level that falls and is back so soon has not become slower: a service that is down for a moment answers at once."""

SPREAD_FLOOR = 0.02
"""Relative spread of blocks below which it is the clock's grain that was measured."""

VALUE_FLOOR = 1e-12
"""Stands for anything smaller, so that every logarithm is bounded."""

VALUE_CEILING = 1e100
"""Values beyond are no measurements."""


@dataclass(frozen=True, slots=True)
class Channel:
    """How one quantile of the blocks is watched."""

    name: str
    threshold: float
    """Change of the level that is worth an alert."""
    min_blocks: int
    """Blocks in a row that must speak for a change."""
    recovery_blocks: tuple[int, ...]
    """Latest blocks that show a recovery, tried in turn: the more, the less a wandering level can feign it."""


@dataclass(frozen=True)
class Settings:
    """How one series is watched."""

    min_increase: float = 0.20
    """Relative increase of the median that is worth an alert."""
    min_change: float = 0.0
    """Increase in the unit of the values that is worth an alert; both must hold."""
    tail_increase: float = 0.40
    """Relative increase of the 90th percentile that is worth an alert."""
    hold_seconds: float = HOLD_SECONDS
    """How long a change must last, by the time of the values."""
    block_size: int = BLOCK_SIZE
    """Values a block."""

    def __post_init__(self) -> None:
        if not (self.min_increase > 0 and self.tail_increase > 0):
            raise ValueError("min_increase and tail_increase must be above 0")
        if not (self.min_change >= 0 and self.hold_seconds >= 0 and self.block_size >= MIN_BLOCK_SIZE):
            raise ValueError(f"min_change and hold_seconds must be at least 0, block_size at least {MIN_BLOCK_SIZE}")

    @cached_property
    def channels(self) -> tuple[Channel, Channel]:
        """Median and 90th percentile.

        A burst of 15 outliers spoils the 90th percentile of two blocks: of 6 in a row the others decide.
        """
        return (
            Channel("median", math.log1p(self.min_increase), 3, (8, 16, 32)),
            Channel("p90", math.log1p(self.tail_increase), 6, (16, 32)),
        )

    @cached_property
    def allowances(self) -> tuple[float, float]:
        """What a block of each channel may lie beyond what was expected without being suspicious."""
        first, second = self.channels
        return ALLOWANCE * first.threshold, ALLOWANCE * second.threshold


@lru_cache(maxsize=64)
def shared(
    min_increase: float, min_change: float, tail_increase: float, hold_seconds: float, block_size: int
) -> Settings:
    """The settings, one object for all series that are watched alike."""
    return Settings(min_increase, min_change, tail_increase, hold_seconds, block_size)
