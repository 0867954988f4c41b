"""What error rate is normal for a series, and how much it scatters.

Fed with blocks of (requests, failures). The rate is pooled from the newest blocks: as many as it takes to have seen
enough failures to know it, at least two hours' worth, so that a rate that follows the time of day is followed, and at
most two days', where failures are rare. Blocks far above the rest count no more than a block may: a short incident must
not hide the next one. The scatter of the blocks around the rate of the same two hours, beyond that of independent
failures, is measured too, and how long a deviation lasts: failures come in bursts, and what is a burst must not be
called significant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_BLOCKS = 144
"""12 h of 5-minute blocks: at 0.1 requests/s and 2 % that is 86 failures, which fixes the rate to +-11 %."""
MIN_BLOCKS = 24
"""2 h: shorter, and a slow rise is learnt before it is noticed; longer, and the morning is compared with the night."""
ENOUGH_FAILURES = (60.0, 240.0)
"""The first fixes the rate to +-13 % and follows the time of day, the second to +-6 %. The higher of both is taken: at
some moment of the day the first is measured lowest, and a rate twice as high would be an alert."""
ALIKE = 1.13
"""Higher by less than the first is known to, the rate is the same, and known as well as from the second."""
WILD_BLOCKS, WILDNESS = 2, 3.0
"""An incident that was too short for an alert lies in two blocks; what comes more often is a property of the
series. The two count three times as much as the wildest of the rest, at most."""
CLIP_SIGMA = 3.0
FLOOR_RATE = 5e-4
"""Normal is at least this: at 100 requests/s a failure every 20 s. Twice nothing is nothing."""
MOMENT_BUCKETS = 3
"""Failures within 30 s of the first are one moment: one request that is retried, one pod that dies."""
MOMENTS_PER_BLOCK = 10
SPARSE = 3.0
"""Moments in a block, of ten possible. Where there are more, a moment holds failures that have nothing in common."""
ROUNDS = 4  # of estimating the rate, clipping, estimating again; an incident's weight falls by some 3 times a round
MAX_PERSISTENCE = 4.0
"""Bounds (1 + rho) / (1 - rho), rho the lag-1 autocorrelation: 0.6. Two dozen blocks tell no more than that."""
FEW_BLOCKS = 4.0  # the scatter of m blocks is known to about 1 + 4 / m


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal rate of failures.

    Attributes:
        requests: that the rate was estimated from.
        failures: among them, after clipping.
        rate: of failures, never 0: half a failure is assumed to have been missed.
        dispersion: variance of a block's failures, divided by its expected failures.
        persistence: factor on it for deviations that last longer than a block.
        moments: at which there were failures, among the same requests; -1 where they are too many to be told apart.
        moment_dispersion: as above, of moments.
        moment_persistence: as above, of moments.
    """

    requests: float
    failures: float
    rate: float
    dispersion: float
    persistence: float
    moments: float = -1.0
    moment_dispersion: float = 1.0
    moment_persistence: float = 1.0


def estimate(
    requests: Sequence[int],
    failures: Sequence[int],
    moments: Sequence[int],
    older: Sequence[tuple[int, int, int]] = (),
) -> Normal:
    """Estimate from blocks, oldest first, at least one, each with at least one request.

    Args:
        requests: by block.
        failures: by block.
        moments: by block.
        older: all three of what came before, by longer blocks, for where the blocks hold too few failures.
    """
    total = np.asarray(requests, dtype=np.float64)
    few = 1.0 + FEW_BLOCKS / len(total)
    kept, dispersion, persistence = _clip(total, np.asarray(failures, dtype=np.float64))
    recent, long = (_pool(total, kept, older, enough) for enough in ENOUGH_FAILURES)
    pool = max(recent, long, key=_Pool.rate)
    known = max(pool.requests, long.failures / pool.rate()) if recent.rate() < ALIKE * long.rate() else pool.requests
    more = known / pool.requests
    normal = Normal(
        requests=known,
        failures=pool.failures * more,
        rate=pool.rate(),
        dispersion=dispersion * few,
        persistence=persistence,
    )
    seen = np.frombuffer(bytes(moments), dtype=np.uint8).astype(np.float64)
    if seen.mean() > SPARSE:
        return normal
    kept, dispersion, persistence = _clip(total, seen)
    return replace(
        normal,
        moments=more * (float(kept[pool.start :].sum()) + sum(entry[2] for entry in older[len(older) - pool.older :])),
        moment_dispersion=dispersion * few,
        moment_persistence=persistence,
    )


def _clip(total: Floats, failed: Floats) -> tuple[Floats, float, float]:
    """Failures without what is far above the rest; their dispersion and persistence."""
    blocks = len(total)
    stretch = (np.arange(blocks) - blocks) // MIN_BLOCKS + -(-blocks // MIN_BLOCKS)
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    of_stretch = np.add.reduceat(total, starts)
    kept = failed
    dispersion = 1.0
    expected = total
    for _ in range(ROUNDS):
        rates = (np.add.reduceat(kept, starts) + 0.5) / (of_stretch + 1.0)
        expected = total * rates[stretch]
        dispersion = max(1.0 - min(1.0, float(rates[-1])), _scatter(failed, expected))
        kept = np.minimum(failed, expected + CLIP_SIGMA * np.sqrt(dispersion * expected) + 1.0)
    return kept, dispersion, _persistence((kept - expected) / np.sqrt(expected))


class _Pool(NamedTuple):
    """What the rate is estimated from: the blocks from `start` on, and the last `older` ones of what came before."""

    requests: float
    failures: float
    start: int
    older: int

    def rate(self) -> float:
        """Of failures, never 0."""
        return (self.failures + 0.5) / (self.requests + 1.0)


def _pool(requests: Floats, failures: Floats, older: Sequence[tuple[int, int, int]], enough: float) -> _Pool:
    """The newest blocks that hold enough failures."""
    start = max(0, len(failures) - MIN_BLOCKS)
    if start:
        needed = int(np.searchsorted(np.cumsum(failures[::-1]), enough)) + 1
        start = max(0, min(start, len(failures) - needed))
    total, failed = float(requests[start:].sum()), float(failures[start:].sum())
    used = 0
    for entry in reversed(older if not start else ()):
        if failed >= enough:
            break
        total, failed, used = total + entry[0], failed + entry[1], used + 1
    return _Pool(total, failed, start, used)


def _scatter(failed: Floats, expected: Floats) -> float:
    """Variance over expectation, the wildest blocks counted like the wildest of the rest.

    Summed before it is divided: where failures are rare, two hours without any would say that they do not scatter.
    """
    squares = (failed - expected) ** 2 / expected
    if len(squares) > 2 * WILD_BLOCKS:
        np.minimum(squares, WILDNESS * np.partition(squares, -WILD_BLOCKS - 1)[-WILD_BLOCKS - 1], out=squares)
    return float(squares @ expected / expected.sum())


def _persistence(residual: Floats) -> float:
    around = residual - residual.mean()
    square = float(around @ around)
    if len(around) < MIN_BLOCKS // 2 or square <= 0.0:
        return 1.0
    rho = float(around[1:] @ around[:-1]) / square - 2.0 / math.sqrt(len(around)) / 2.0
    return 1.0 if rho <= 0.0 else min(MAX_PERSISTENCE, (1.0 + rho) / (1.0 - min(rho, 0.9)))
