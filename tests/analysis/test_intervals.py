import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.intervals import LONGEST_NS, cover

INTERVALS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), min_size=1, max_size=12)


@given(st.lists(INTERVALS, min_size=1, max_size=4))
def test_groups_are_measured_as_if_each_was_alone(groups: list[list[tuple[int, int]]]) -> None:
    groups = [sorted(group) for group in groups]
    flat = [interval for group in groups for interval in group]
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    start = np.array([s for s, _ in flat]) + 10**18
    measured = cover(starts, start, start + np.array([length for _, length in flat]))
    for i, group in enumerate(groups):
        covered = {t for s, length in group for t in range(s, s + length)}
        ends = [s + length for s, length in group]
        assert measured.union_ns[i] == len(covered)
        assert measured.elapsed_ns[i] == max(ends) - group[0][0]
        pauses = [max(0, group[k][0] - max(ends[:k])) for k in range(1, len(group))]
        assert measured.median_pause_ns[i] == (statistics.median_low(pauses) if pauses else 0)


def test_a_clock_is_regular_and_a_burst_is_not() -> None:
    clock, burst = np.arange(10) * 100, np.array([0, 1, 2, 3, 500, 501, 502, 900, 901, 902])
    start = np.concatenate([clock, burst])
    regularity = cover(np.array([0, 10]), start, start + 1).regularity
    assert regularity[0] == pytest.approx(0.0)
    assert regularity[1] > 0.5


def test_absurd_times_do_not_reach_into_the_next_group() -> None:
    start = np.array([0, 2**63 - 1, 5, 6])
    measured = cover(np.array([0, 2]), start, np.array([2**63 - 1, 2**63 - 1, 6, 8]))
    assert measured.union_ns.tolist() == [LONGEST_NS - 1, 3]
