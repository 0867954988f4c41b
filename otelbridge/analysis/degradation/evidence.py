"""Whether the latest blocks of a channel lie beyond its baseline: by enough, for certain, and unlike anything before.

Four questions, each of which a false alarm of another kind fails: is the effect worth it and its error small (noise)?
Do most blocks show it (a burst)? Would as many of them be there by chance, going by how often the baseline had such
blocks (levels with two modes)? Was no run of blocks in the baseline as far off (a level that wanders)?
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.baseline import Baseline, median, middle
from otelbridge.analysis.degradation.settings import Channel

Floats = NDArray[np.float64]

CONFIDENCE = 2.0
"""Standard errors below the effect that must still be `CERTAIN_SHARE` of the threshold (by trial)."""

CERTAIN_SHARE = 0.7
"""A shift of just the threshold must be confirmed by a finite number of blocks."""

LONGEST_WINDOW = 64
"""Blocks after a change that are looked at: a level must be told from the one before within 2,048 values."""

PATIENCE = 16
"""Blocks after which a candidate is looked at every fourth time only."""

MIDDLE_BLOCKS = 8
"""Blocks from which on their middle is better than their median, which one half-changed block does not touch."""

FEW_BLOCKS = 4
"""Up to so many blocks every one of them must show `CLEAR_SHARE` of the threshold."""

CLEAR_SHARE = 0.8
"""See `FEW_BLOCKS`."""

MOST_BLOCKS = 0.6
"""Share of the blocks that must show half of the effect."""

MEAN_SHARE = 0.7
"""Share of the effect that the mean of all blocks must show, none counted for more than twice the effect: a majority of
one mode is no shift of both."""

OUTLIER_SPREADS = 3.0
"""Blocks of the baseline count up to so many spreads where means are compared."""

RARITY = 8.0
"""-log of the probability by which the baseline would show as many such blocks: 1 in 3,000 for each look."""

MIN_REFERENCE = 24
"""So many blocks a baseline is taken for at least when rare levels are counted: few blocks show nothing rare."""


class Effect(NamedTuple):
    """What the latest blocks show."""

    size: float
    """Distance from the baseline, positive in the direction that was asked for."""
    error: float
    """Its standard error."""
    blocks: int
    """How many of them show it."""


def is_due(blocks: int, number: int) -> bool:
    """Whether a candidate of so many blocks is to be looked at at block `number`."""
    return blocks <= PATIENCE or number % 4 == 0


def effect_of(distances: Floats, reference: Floats, baseline: Baseline, channel: Channel) -> Effect | None:
    """The effect in all of the blocks since a change, or the last half or quarter of them, if it is beyond doubt.

    `distances` are theirs from what was expected, `reference` those of the baseline's own blocks.
    """
    count = len(distances)
    for blocks in (count, count // 2, count // 4):
        if blocks < channel.min_blocks:
            break
        window = distances[count - blocks :]
        size = middle(window, baseline.spread) if blocks >= MIDDLE_BLOCKS else median(window)
        error = baseline.error(blocks)
        if size < channel.threshold or size - CONFIDENCE * error < CERTAIN_SHARE * channel.threshold:
            continue
        if _is_common(window, size, channel) and _is_new(window, reference, size, baseline):
            return Effect(size, error, blocks)
    return None


def _is_common(window: Floats, size: float, channel: Channel) -> bool:
    """Most blocks show it, and of few blocks all."""
    if len(window) <= FEW_BLOCKS and float(window.min()) < CLEAR_SHARE * channel.threshold:
        return False
    return int(np.count_nonzero(window > size / 2)) >= MOST_BLOCKS * len(window)


def _is_new(window: Floats, reference: Floats, size: float, baseline: Baseline) -> bool:
    """The baseline has shown nothing of the kind."""
    limit = OUTLIER_SPREADS * baseline.spread
    bounded = np.minimum(np.maximum(reference, -limit), limit)
    usual = float(bounded.sum()) / len(bounded) if len(bounded) else 0.0
    if float(np.minimum(window, 2 * size).sum()) / len(window) - usual < MEAN_SHARE * size:
        return False
    return rarity(window, reference, size / 2, baseline.correlation) >= RARITY and size > _highest_run(
        bounded, len(window)
    )


def _highest_run(bounded: Floats, length: int) -> float:
    """The largest mean of `length` blocks in a row."""
    if len(bounded) < length:
        return -math.inf
    sums = np.cumsum(bounded)
    runs = sums[length - 1 :].copy()
    runs[1:] -= sums[:-length]
    return float(runs.max()) / length


def rarity(window: Floats, reference: Floats, bound: float, correlation: float) -> float:
    """-log of the probability that so many blocks of the window lie above `bound`, going by the baseline.

    Chernoff's bound of a binomial distribution, weakened for what is not known of the baseline; neighbours that are
    alike count for less.
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
    return divergence * count * known / (count + known) * (1 - correlation) / (1 + correlation)
