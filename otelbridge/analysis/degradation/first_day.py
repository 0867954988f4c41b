"""Whether a rise can be a morning, while no whole day was seen.

What could be the course of a day is a sum of waves of 24, 12, 8 and 6 hours, each as high as days plausibly make it (a
ridge regression). A step or ramp is the cause when it explains what the waves cannot. What stays open is decided the
next day.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.season import DAY_SECONDS

Floats = NDArray[np.float64]

DOUBTLESS = math.log(2.2)
"""No day is expected to be worse than this between its quietest and its busiest hour."""

WAVE_HEIGHTS = (0.3, 0.12, 0.04, 0.02)
"""Plausible height of each wave in logarithms: 0.3 is a factor of 1.8 between the quietest and the busiest hour."""

RAMP_LENGTHS = (0.0, 16.0, 32.0, 64.0, 128.0)
"""Blocks a change takes: at once, or up to 4,096 values."""

RAMP_STARTS = (-64, -48, -32, -20, -12, -6, -3, -1, 0, 1, 2, 4)
"""Where it may have begun, in blocks from the first suspicious one."""

PROOF = 10.0
"""Squared standard errors that the change must explain: 3 of 145 days without one came to more at any hour."""

LEAST_SHARE = 0.6
"""Share of the threshold that the change must have beside the waves (by trial)."""


def explained_by_day(levels: Floats, ends: Floats, at: int, threshold: float, spread: float) -> bool:
    """Whether the levels need no step or ramp upwards, begun near block `at`, beside a plausible day."""
    day, inverse = _day(ends, spread)
    starts, lengths = np.meshgrid(np.array(RAMP_STARTS, np.float64) + at, RAMP_LENGTHS)
    index = np.arange(len(levels), dtype=np.float64)[:, None]
    ramps = np.clip((index - starts.ravel() + 1.0) / (lengths.ravel() + 1.0), 0.0, 1.0)
    rest = levels - day @ (inverse @ (day.T @ levels))
    power = np.einsum("ij,ij->j", ramps, ramps - day @ (inverse @ (day.T @ ramps)))
    share = ramps.T @ rest
    heights = np.where(power > 1e-3, share / np.maximum(power, 1e-3), 0.0)
    proof = heights * share / (spread * spread)
    return not bool(np.any((heights >= LEAST_SHARE * threshold) & (proof >= PROOF)))


def _day(ends: Floats, spread: float) -> tuple[Floats, Floats]:
    """The waves at each time, and the inverse of their penalised moments."""
    angle = (ends - ends[0]) * (2 * math.pi / DAY_SECONDS)
    columns = [np.ones(len(ends))]
    penalties = [1e-9]
    for wave, height in enumerate(WAVE_HEIGHTS, start=1):
        columns += [np.sin(wave * angle), np.cos(wave * angle)]
        penalties += [(spread / height) ** 2] * 2
    day = np.stack(columns, axis=1)
    moments: Floats = day.T @ day + np.diag(penalties)
    return day, np.linalg.inv(moments).astype(np.float64, copy=False)
