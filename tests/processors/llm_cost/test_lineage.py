"""Ancestors in a batch of traces, found for many spans at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.processors.llm_cost.arrays import NOWHERE
from otelbridge.processors.llm_cost.lineage import MAX_DEPTH, Climb, Lineage


def spans(*rows: tuple[int, int, int | None]) -> pl.DataFrame:
    """(trace, span, parent)"""
    columns = {"trace_id": pl.UInt128, "span_id": pl.UInt64, "parent_span_id": pl.UInt64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def climb(
    frame: pl.DataFrame, starts: list[int], marked: Collection[int] = (), barriers: Collection[int] = ()
) -> Climb:
    height = range(frame.height)
    marks = {"mark": np.array([row in marked for row in height])}
    return Lineage(frame).climb(np.array(starts), marks, np.array([row in barriers for row in height]))


CHAIN = spans((1, 10, None), (1, 11, 10), (1, 12, 11), (1, 13, 12))


def test_all_ancestors_are_passed_and_the_start_is_not() -> None:
    assert climb(CHAIN, [3]).passed.tolist() == [True, True, True, False]


def test_the_nearest_mark_is_found_the_start_included() -> None:
    assert climb(CHAIN, [3], marked={0, 1}).nearest["mark"].tolist() == [1]
    assert climb(CHAIN, [3], marked={0, 3}).nearest["mark"].tolist() == [3]
    assert climb(CHAIN, [1, 3], marked={2}).nearest["mark"].tolist() == [NOWHERE, 2]


def test_nothing_beyond_a_barrier_is_passed_but_its_marks_are_seen() -> None:
    found = climb(CHAIN, [3], marked={0}, barriers={1})

    assert found.passed.tolist() == [False, True, True, False]
    assert found.nearest["mark"].tolist() == [0]


def test_a_start_that_is_a_barrier_passes_nothing() -> None:
    assert not climb(CHAIN, [3], barriers={3}).passed.any()


def test_a_way_that_ends_at_an_unseen_span_is_told() -> None:
    frame = spans((1, 12, 11), (1, 13, 12))

    found = climb(frame, [1])

    assert found.orphans.tolist() == [1]
    assert (found.unseen - Lineage(frame).trace[found.orphans]).tolist() == [11]


def test_a_way_across_a_barrier_does_not_tell_where_it_ends() -> None:
    assert climb(spans((1, 12, 11), (1, 13, 12)), [1], barriers={0}).orphans.tolist() == []


def test_spans_of_other_traces_are_strangers() -> None:
    frame = spans((1, 10, None), (2, 10, None), (2, 11, 10))

    assert climb(frame, [2]).passed.tolist() == [False, True, False]


def test_loops_and_chains_without_end_are_left_after_a_while() -> None:
    assert climb(spans((1, 10, 11), (1, 11, 10)), [0]).passed.all()
    deep = spans((1, 1, None), *((1, n, n - 1) for n in range(2, MAX_DEPTH + 100)))
    assert climb(deep, [deep.height - 1]).passed.sum() == MAX_DEPTH


def test_roots_are_found_by_trace() -> None:
    frame = spans((1, 10, None), (1, 11, 99), (2, 20, 98), (3, 30, 30))
    everything = np.ones(4, np.bool_)

    assert Lineage(frame).roots(np.array([1, 2, 3]), everything).tolist() == [0, NOWHERE, 3]


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(0, 12)), min_size=1, max_size=14))
def test_it_agrees_with_walking_up_one_by_one(rows: list[tuple[int, int, int]]) -> None:
    distinct = list({(trace, span): (trace, span, parent or None) for trace, span, parent in rows}.values())
    by_id = {(trace, span): (row, parent) for row, (trace, span, parent) in enumerate(distinct)}

    def ancestors(row: int) -> set[int]:
        trace, span, parent = distinct[row]
        found: set[int] = set()
        while parent is not None and parent != span and (trace, parent) in by_id:
            above, above_parent = by_id[trace, parent]
            if above in found:
                break
            found.add(above)
            span, parent = parent, above_parent
        return found

    starts = list(range(len(distinct)))
    for start in starts:
        found = climb(spans(*distinct), [start]).passed
        assert set(np.flatnonzero(found).tolist()) == ancestors(start)
