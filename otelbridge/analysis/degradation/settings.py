"""What the detector of level changes takes for granted, each with its reason.

The constants were set on streams of known changes (`bench/detection`); those marked "by trial" have no other ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BLOCK_SIZE = 32
"""Values a block. Its median stands up to 15 outliers in a row; 64 would double the delay, 16 doubles the cost."""

MIN_BLOCK_SIZE = 4
"""Below that a block has no 90th percentile of its own."""

BASELINE_BLOCKS = 192
"""Blocks that make the baseline: 6,144 values, three times the longest ramp that has to be seen."""

LAG_BLOCKS = 64
"""How late a block enters the baseline: a ramp of 2,000 values is half over before the baseline begins to follow it."""

CAPACITY = 352
"""Blocks remembered: baseline, lag and 64 more."""

SHIFT = 32
"""How many of the oldest blocks are let go at once, so that the rest always lie in a row."""

FIRST_BLOCKS = 16
"""Blocks in the first baseline. With fewer the spread is a guess: 512 values of history, 1,024 until the first verdict."""

REFRESH_BLOCKS = 8
"""How often the baseline is computed anew: its median moves by less than a tenth of the spread in between."""

ALLOWANCE = 0.75
"""Share of the threshold that a block must exceed to count as suspicious (k of a CUSUM; by trial)."""

DECISION = 6.0
"""Sum of suspicious spreads that makes a candidate (h of a CUSUM). With `CLIP` no two blocks can reach it."""

CLIP = 2.5
"""What a single block can add at most: heavy tails and bursts are worth no more than a clear shift."""

CEILING = 3 * DECISION
"""The sum grows no further: what is over must be over soon."""

CONFIDENCE = 2.0
"""Standard errors below the effect (one-sided 1 %) that must still be `CERTAIN_SHARE` of the threshold."""

CERTAIN_SHARE = 0.7
"""See `CONFIDENCE`: a shift of just the threshold must be confirmed by a finite number of blocks (by trial)."""

LONGEST_WINDOW = 64
"""Blocks after a change that are looked at: a level must be told from the one before within 2,000 values."""

RECOVERY_SHARE = 0.5
"""A level is back when less than this share of the threshold is left; hysteresis against repeated alerts."""

ADOPTION_BLOCKS = 64
"""Blocks after an alert until a level that stands still is the new normal (2,048 values)."""

ADOPTION_LIMIT = 224
"""Blocks until a level that does not stand still is."""

ABSORPTION_BLOCKS = 192
"""Blocks after which a suspicion that was never confirmed is taken for the new normal."""

MEDIAN_BLOCKS = 3
"""Blocks in a row that must speak for a change of the median."""

TAIL_BLOCKS = 6
"""The same for the 90th percentile: a burst of 15 spoils two of them, their median is of the other four."""

SPREAD_FLOOR = 0.02
"""Relative spread of blocks below which it is the clock's grain that was measured."""

VALUE_FLOOR = 1e-9
"""Stands for zero, which has no logarithm."""

VALUE_CEILING = 1e300
"""Values beyond are no measurements; their sums would overflow."""

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Channel:
    """How one quantile is watched; levels are logarithms."""

    name: str
    threshold: float
    min_blocks: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How one series is watched."""

    min_increase: float = 0.20
    """Relative increase of the median that is worth an alert."""
    min_change: float = 0.0
    """Increase in the unit of the values that is worth an alert; both must hold."""
    tail_increase: float = 0.40
    """Relative increase of the 90th percentile that is worth an alert."""
    block_size: int = BLOCK_SIZE
    """Values a block."""

    def __post_init__(self) -> None:
        if not (self.min_increase > 0 and self.tail_increase > 0):
            raise ValueError("min_increase and tail_increase must be above 0")
        if not (self.min_change >= 0 and self.block_size >= MIN_BLOCK_SIZE):
            raise ValueError(f"min_change must be at least 0, block_size at least {MIN_BLOCK_SIZE}")

    def channels(self) -> tuple[Channel, Channel]:
        """Median and 90th percentile."""
        return (
            Channel("median", math.log1p(self.min_increase), MEDIAN_BLOCKS),
            Channel("p90", math.log1p(self.tail_increase), TAIL_BLOCKS),
        )
