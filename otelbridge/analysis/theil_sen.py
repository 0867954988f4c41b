"""The slope of a line that outliers do not bend: the median of the slopes between all pairs of points.

Up to 29 % of the points may be arbitrary. Ordinary least squares follow a sawtooth, a step, a single spike.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

TO_SIGMA = 1.4826  # median absolute deviation to standard deviation, normal distribution


@lru_cache(maxsize=128)
def _pairs(points: int) -> tuple[Integers, Integers]:
    first, second = np.triu_indices(points, 1)
    return first, second


def median(values: Floats) -> float:
    """Of at least one; a fifth of the cost of numpy's for a few dozen."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0


def slope(x: Floats, y: Floats) -> float:
    """Of at least two points with ascending x."""
    first, second = _pairs(len(x))
    return median((y[second] - y[first]) / (x[second] - x[first]))


def line(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Slope, value at the last x, and the standard deviation around the line (from the median deviation)."""
    steepness = slope(x, y)
    rest = y - steepness * (x - x[-1])
    end = median(rest)
    return steepness, end, TO_SIGMA * median(np.abs(rest - end))
