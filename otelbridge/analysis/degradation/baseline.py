"""The level that counts as normal, and how much blocks scatter around it.

Median and median absolute deviation, so that no outlier moves them. Values with a memory make neighbouring blocks alike:
n of them say less than n. The spread is therefore widened by sqrt((1 + r) / (1 - r)), r the correlation of neighbours,
which is what keeps a wandering level from looking like a change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.settings import SPREAD_FLOOR

NORMAL_MAD = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""

NORMAL_DECILES = 2.563
"""Standard deviations between the first and the last decile of a normal distribution."""

MAX_CORRELATION = 0.9
"""Beyond that the widening is a guess."""

MIDDLE_ERROR = 1.05
"""Standard error of `middle` of n over that of a mean, of a normal distribution."""

MIDDLE_SPREADS = 2.0
"""How far from the median a block counts in `middle`."""

SMALL_SAMPLE = 4.0
"""The spread of n blocks is taken 1 + 4/n times wider, for it is itself uncertain (by trial)."""

MIN_REFERENCE = 24
"""So many blocks a baseline is taken for at least when rare levels are counted: few blocks show nothing rare."""


@dataclass(slots=True)
class Baseline:
    """What is normal in one channel; `level` and `spread` are of logarithms."""

    level: float = 0.0
    spread: float = 1.0
    raw: float = 0.0
    blocks: int = 0
    correlation: float = 0.0

    def error(self, blocks: int) -> float:
        """Standard error of the distance between the baseline and a median of so many blocks."""
        return MIDDLE_ERROR * self.spread * math.sqrt(1 / blocks + 1 / max(self.blocks, 1))


def middle(levels: NDArray[np.float64], spread: float) -> float:
    """The mean of levels bounded to their median plus or minus two spreads.

    As immune to outliers as the median, a third more efficient, and without its jumps where levels have two modes.
    """
    center = float(np.median(levels))
    return float(np.clip(levels, center - MIDDLE_SPREADS * spread, center + MIDDLE_SPREADS * spread).mean())


def measure(levels: NDArray[np.float64], raw: float | None = None) -> Baseline:
    """The baseline of blocks whose season is taken away."""
    count = len(levels)
    low, middle, high = count // 10, count // 2, count - 1 - count // 10
    ordered = np.sort(levels)
    center = float(ordered[middle])
    residuals = levels - center
    deviation = float(np.partition(np.abs(residuals), middle)[middle])
    spread = max(deviation * NORMAL_MAD, float(ordered[high] - ordered[low]) / NORMAL_DECILES, SPREAD_FLOOR)
    bounded = np.clip(residuals, -MIDDLE_SPREADS * spread, MIDDLE_SPREADS * spread)
    shift = float(bounded.mean())
    center += shift
    bounded -= shift
    power = float(bounded @ bounded)
    correlation = float(bounded[1:] @ bounded[:-1]) / power if power > 0 else 0.0
    correlation = min(max(correlation + 0.5 / math.sqrt(count), 0.0), MAX_CORRELATION)
    widened = spread * math.sqrt((1 + correlation) / (1 - correlation)) * (1 + SMALL_SAMPLE / count)
    return Baseline(center, widened, center if raw is None else raw, count, correlation)


def highest_run(distances: NDArray[np.float64], length: int, spread: float) -> float:
    """The largest mean of `length` blocks in a row, single blocks bounded to three spreads."""
    if len(distances) < length:
        return -math.inf
    sums = np.cumsum(np.clip(distances, -3 * spread, 3 * spread))
    runs = sums[length - 1 :].copy()
    runs[1:] -= sums[:-length]
    return float(runs.max()) / length


def evidence(window: NDArray[np.float64], reference: NDArray[np.float64], bound: float, correlation: float) -> float:
    """How unlikely it is that so many blocks of the window lie above `bound`, going by the baseline: -log(probability).

    Chernoff's bound of a binomial distribution; neighbours that are alike count for less.
    """
    known = max(len(reference), MIN_REFERENCE)
    usual = (float(np.count_nonzero(reference > bound)) + 0.5) / (known + 1)
    count = len(window)
    share = float(np.count_nonzero(window > bound)) / count
    if share <= usual:
        return 0.0
    divergence = share * math.log(share / usual)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - usual))
    return count * known / (count + known) * divergence * (1 - correlation) / (1 + correlation)
