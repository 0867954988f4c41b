"""Could so many failures be chance?

Asked in two ways, because failures come in clusters: a request that is retried, a pod that dies. The first way counts
failures, and allows for how much they scatter, in the past and in the stretch itself. The second way counts the moments
at which there were any, where these are few: five failures at once are one moment. Clusters cost the first way most of
its power and the second none of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from otelbridge.analysis.error_baseline import FLOOR_RATE, MOMENT_BUCKETS, Normal
from otelbridge.analysis.excursion import Floats, Integers

WANDERS = 0.1
"""No rate is quite constant: what is normal now is taken to differ by a tenth from what was. That matters little
where seven failures are normal, and much where seventy are: there, a rise is not chance and yet nothing to tell."""


@dataclass(frozen=True, slots=True)
class Counting:
    """One way of counting, and what it gives normally.

    Attributes:
        requests: that were normal.
        known: what was counted among them.
        dispersion: its variance divided by its expectation.
        persistence: factor on it for what lasts longer than a block.
    """

    requests: float
    known: float
    dispersion: float
    persistence: float

    def significance(self, requests: float, counted: float, holds: float = 1.0) -> float:
        """Square of the standard deviations above normal, 0 below it, of a stretch so many times the hold."""
        if requests <= 0.0 or counted * self.requests < self.known * requests:
            return 0.0
        lasting = 1.0 + (self.persistence - 1.0) * (1.0 - 1.0 / holds)
        expected = requests * self.known / self.requests
        scatter = self.dispersion * lasting + WANDERS**2 * expected
        return deviance(requests, counted, self.requests, self.known) / scatter


def failures_of(normal: Normal, bucket: Integers, requests: Floats, failures: Floats) -> Counting:
    """Failures, which scatter as they did before or as they do in this stretch, whatever is more."""
    known = max(normal.failures, normal.requests * FLOOR_RATE)
    dispersion = max(normal.dispersion, clustering(bucket, requests, failures))
    return Counting(normal.requests, known, dispersion, normal.persistence)


def moments_of(normal: Normal) -> Counting:
    """Moments with failures."""
    known = max(normal.moments, normal.requests * FLOOR_RATE)
    return Counting(normal.requests, known, normal.moment_dispersion, normal.moment_persistence)


def most_significance(normal: Normal, requests: float, failures: float, holds: float) -> float:
    """Of either way, before it is looked at how the failures lie: no two at the same moment, no cluster."""
    known = max(normal.failures, normal.requests * FLOOR_RATE)
    ways = [Counting(normal.requests, known, normal.dispersion, normal.persistence)]
    if normal.moments >= 0.0:
        ways.append(moments_of(normal))
    return max(way.significance(requests, failures, holds) for way in ways)


def deviance(requests: float, failures: float, normal_requests: float, normal_failures: float) -> float:
    """How badly one common rate explains two samples: twice the log-likelihood ratio, Poisson.

    Its square root is a z score that allows for how well the normal rate is known and holds at small counts too.
    """
    common = (failures + normal_failures) / (requests + normal_requests)
    return 2.0 * (_term(failures, requests * common) + _term(normal_failures, normal_requests * common))


def _term(observed: float, expected: float) -> float:
    return observed * math.log(observed / expected) - (observed - expected) if observed > 0.0 else expected


def clustering(bucket: Integers, requests: Floats, failures: Floats) -> float:
    """Variance of the failures at a moment, divided by their expectation, were their rate the same all along."""
    starts = np.flatnonzero(np.diff(bucket // MOMENT_BUCKETS, prepend=-1))
    expected = np.add.reduceat(requests, starts) * (failures.sum() / requests.sum())
    beside = np.add.reduceat(failures, starts) - expected
    return float((beside @ beside) / expected.sum())


def moments(bucket: Integers, failures: Floats) -> int:
    """How often there were failures; what follows the first within MOMENT_BUCKETS counts as the same."""
    last, seen = -MOMENT_BUCKETS, 0
    for at in bucket[failures > 0.0].tolist():
        if at - last >= MOMENT_BUCKETS:
            last = at
            seen += 1
    return seen
