"""The level that counts as normal, and how much blocks scatter around it.

Order statistics throughout, so that no outlier moves them. Values with a memory make neighbouring blocks alike: n of
them say less than n. The spread is therefore widened by sqrt((1 + r) / (1 - r)), r the correlation of neighbours, which
is what keeps a wandering level from looking like a change.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.settings import SPREAD_FLOOR

Floats = NDArray[np.float64]

NORMAL_MAD = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""

NORMAL_DECILES = 2.563
"""Standard deviations between the first and the last decile, which levels with two modes have further apart."""

MAX_CORRELATION = 0.9
"""Beyond that the widening is a guess."""

CORRELATION_ERROR = 0.5
"""Correlations of n blocks come out too low by about 1/sqrt(n) half of the time; half of that is added (by trial)."""

MIDDLE_SPREADS = 2.0
"""How far from the median a block counts in `middle`."""

MIDDLE_ERROR = 1.05
"""Standard error of `middle` over that of a mean, of a normal distribution."""

SMALL_SAMPLE = 4.0
"""The spread of n blocks is taken 1 + 4/n times wider, for it is itself uncertain (by trial)."""


class Baseline(NamedTuple):
    """What is normal in one channel."""

    level: float = 0.0
    """Middle of the blocks, the time of day taken away."""
    raw: float = 0.0
    """Middle of the same blocks as they were."""
    spread: float = 1.0
    """Of single blocks, widened for their correlation."""
    blocks: int = 0
    """How many were measured; 0 before the first time."""
    correlation: float = 0.0
    """Of neighbouring blocks."""

    def error(self, blocks: int) -> float:
        """Standard error of the distance between the baseline and the middle of so many blocks."""
        return MIDDLE_ERROR * self.spread * math.sqrt(1 / blocks + 1 / max(self.blocks, 1))


def median(levels: Floats) -> float:
    """The upper median: one partition, a quarter of the time of numpy's."""
    half = len(levels) // 2
    parted = levels.copy()  # numpy's function of the same name costs as much again
    parted.partition(half)
    return float(parted[half])


def middle(levels: Floats, spread: float) -> float:
    """The mean of levels bounded to their median plus or minus two spreads.

    As immune to outliers as the median, a third more efficient, and without its jumps where levels have two modes.
    """
    center = median(levels)
    reach = MIDDLE_SPREADS * spread
    return float(np.minimum(np.maximum(levels, center - reach), center + reach).sum()) / len(levels)


def measure(levels: Floats) -> tuple[Baseline, Baseline]:
    """The baselines of both channels (rows), from the levels of blocks whose time of day is taken away.

    What can be done for both at once is: of so few numbers, a call of numpy costs as much as the work.
    """
    count = levels.shape[1]
    tenth, half = count // 10, count // 2
    ordered = levels.copy()
    ordered.sort(axis=1)
    distances = levels - ordered[:, half, None]
    scattered = np.abs(distances)
    scattered.partition(half, axis=1)
    marks = ordered[:, (tenth, half, count - 1 - tenth)].tolist()
    first, second = (
        _measured(distances[channel], deviation, *marks[channel])
        for channel, deviation in enumerate(scattered[:, half].tolist())
    )
    return first, second


def _measured(distances: Floats, deviation: float, first_decile: float, center: float, last_decile: float) -> Baseline:
    """The baseline of one channel, from its blocks' distances from their median; they are overwritten."""
    count = len(distances)
    spread = max(deviation * NORMAL_MAD, (last_decile - first_decile) / NORMAL_DECILES, SPREAD_FLOOR)
    reach = MIDDLE_SPREADS * spread
    np.maximum(distances, -reach, out=distances)
    np.minimum(distances, reach, out=distances)
    shift = float(distances.sum()) / count
    distances -= shift
    power = float(distances @ distances)
    correlation = float(distances[1:] @ distances[:-1]) / power if power > 0 else 0.0
    correlation = min(max(correlation + CORRELATION_ERROR / math.sqrt(count), 0.0), MAX_CORRELATION)
    widened = spread * math.sqrt((1 + correlation) / (1 - correlation)) * (1 + SMALL_SAMPLE / count)
    return Baseline(center + shift, center + shift, widened, count, correlation)
