from __future__ import annotations

import numpy as np
import pytest

from otelbridge.analysis.chance import Counting, clustering, deviance, moments
from otelbridge.analysis.error_baseline import estimate


def test_failures_that_come_together_are_one_moment_and_an_outage_is_many() -> None:
    together = np.array([100, 101, 102])
    outage = np.arange(100, 130)

    assert moments(together, np.array([2.0, 9.0, 1.0])) == 1
    assert moments(outage, np.ones(30)) == 10


def test_moments_count_when_failures_and_not_how_many() -> None:
    bucket = np.array([100, 101, 150, 200])

    assert moments(bucket, np.array([1.0, 0.0, 50.0, 0.0])) == 2


def test_independent_failures_do_not_cluster_and_retried_ones_do() -> None:
    random = np.random.default_rng(1)
    bucket, requests = np.arange(300), np.full(300, 10.0)
    independent = random.binomial(10, 0.2, 300).astype(np.float64)
    retried = 6.0 * random.binomial(1, 0.05, 300)

    assert clustering(bucket, requests, independent) == pytest.approx(0.8, abs=0.3)
    assert clustering(bucket, requests, retried) == pytest.approx(6.0, abs=1.5)


def test_less_than_normal_is_not_significant_however_clear_it_is() -> None:
    counting = Counting(requests=10_000, known=1_000, dispersion=1.0, persistence=1.0)

    assert deviance(1_000, 10, 10_000, 1_000) > 50
    assert counting.significance(1_000, 10) == 0.0


def test_what_lasts_longer_than_a_block_is_the_less_significant_the_more_normal_it_is_to_last() -> None:
    fleeting = Counting(requests=10_000, known=100, dispersion=1.0, persistence=1.0)
    lasting = Counting(requests=10_000, known=100, dispersion=1.0, persistence=4.0)

    assert lasting.significance(1_000, 40, holds=1.0) == fleeting.significance(1_000, 40, holds=1.0)
    assert lasting.significance(1_000, 40, holds=12.0) < 0.3 * fleeting.significance(1_000, 40, holds=12.0)


def test_hours_without_failures_do_not_say_that_clusters_scatter_little() -> None:
    failures = [5 if block % 48 == 0 else 0 for block in range(144)]

    normal = estimate([30] * 144, failures, [min(1, failed) for failed in failures])

    assert normal.dispersion == pytest.approx(5.0, abs=1.0)
    assert normal.moment_dispersion == pytest.approx(1.0, abs=0.2)


def test_a_rare_rate_is_known_from_what_is_older_than_the_blocks() -> None:
    blocks, older = ([30] * 144, [0, 0, 0, 1] * 36, [0, 0, 0, 1] * 36), [(360, 4, 4)] * 36

    alone, together = estimate(*blocks), estimate(*blocks, older)

    assert (alone.requests, alone.failures) == (4320, 36)
    assert (together.requests, together.failures) == (4320 + 36 * 360, 36 + 36 * 4)
    assert together.moments == 36 + 36 * 4


def test_a_frequent_rate_does_not_ask_what_is_older() -> None:
    blocks, older = ([300] * 144, [9] * 144, [9] * 144), [(3600, 0, 0)] * 36

    assert estimate(*blocks, older) == estimate(*blocks)
