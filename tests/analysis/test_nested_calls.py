"""Of the spans that tell of one call, the innermost is the call."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.nested_calls import are_calls

COLUMNS = {
    "trace_id": pl.UInt128,
    "span_id": pl.UInt64,
    "parent_span_id": pl.UInt64,
    "start_ns": pl.Int64,
    "end_ns": pl.Int64,
    "origin": pl.UInt64,
    "op": pl.String,
    "name": pl.String,
}
Row = tuple[int, int, int | None, int, int, int, str, str]


def row(
    span: int,
    parent: int | None = None,
    *,
    trace: int = 1,
    at: tuple[int, int] = (0, 10),
    origin: int = 1,
    op: str = "gen_ai.chat",
    name: str = "chat",
) -> Row:
    return (trace, span, parent, *at, origin, op, name)


def calls(*rows: Row, among: Sequence[int] | None = None, providers: Sequence[int] | None = None) -> list[int]:
    """Span ids of the calls among the candidates, which are all rows unless `among` names their span ids."""
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    chosen = [i for i, one in enumerate(rows) if among is None or one[1] in among]
    whom = np.array(providers or [0] * len(chosen), np.int64)
    found = are_calls(frame, np.array(chosen, np.int64), whom)
    return [rows[i][1] for i, is_call in zip(chosen, found.tolist(), strict=True) if is_call]


def test_what_lies_above_a_call_is_not_it_however_far() -> None:
    assert calls(row(1), row(2, 1), row(3, 2), row(4, 3), among=[1, 4]) == [4]


def test_calls_side_by_side_are_two() -> None:
    assert calls(row(1), row(2, 1), row(3, 1)) == [2, 3]


def test_a_call_below_a_tool_leaves_the_call_above_the_tool() -> None:
    tool = row(2, 1, op="gen_ai.execute_tool")
    assert calls(row(1), tool, row(3, 2), among=[1, 3]) == [1, 3]
    assert calls(row(1), row(2, 1, op="default", name="ai.toolCall"), row(3, 2), among=[1, 3]) == [1, 3]


def test_equal_span_ids_of_two_traces_are_strangers() -> None:
    assert calls(row(1), row(2, 1), row(1, trace=2), row(3, trace=2)) == [2, 1, 3]


def test_a_span_sent_twice_is_one_call() -> None:
    assert calls(row(1), row(1), row(2, 1, op="default"), among=[1]) == [1]


def test_a_span_whose_parent_is_not_here_is_a_call() -> None:
    assert calls(row(1, 99), row(2, 98)) == [1, 2]


def test_a_span_that_is_its_own_parent_is_a_call() -> None:
    assert calls(row(1, 1), row(2)) == [1, 2]


def test_of_two_instrumentations_of_one_call_the_inner_one_in_time_counts() -> None:
    assert calls(row(1), row(2, 1, at=(0, 9), origin=1), row(3, 1, at=(1, 8), origin=2), among=[2, 3]) == [3]


def test_two_instrumentations_that_tell_the_same_times_are_one_call() -> None:
    assert calls(row(2, 1, origin=1), row(3, 1, origin=2)) in ([2], [3])


def test_parallel_calls_of_one_instrumentation_are_calls_of_their_own() -> None:
    assert calls(row(2, 1, at=(0, 9)), row(3, 1, at=(1, 8))) == [2, 3]


def test_parallel_calls_of_two_providers_are_calls_of_their_own() -> None:
    two = (row(2, 1, at=(0, 9), origin=1), row(3, 1, at=(1, 8), origin=2))
    assert calls(*two, providers=[0, 1]) == [2, 3]


def test_calls_one_after_the_other_are_two_whoever_tells_of_them() -> None:
    assert calls(row(2, 1, at=(0, 4), origin=1), row(3, 1, at=(5, 9), origin=2)) == [2, 3]


def test_two_parallel_calls_that_two_instrumentations_tell_of_are_two() -> None:
    outer = (row(2, 1, at=(0, 20), origin=1), row(3, 1, at=(1, 20), origin=1))
    inner = (row(4, 1, at=(2, 19), origin=2), row(5, 1, at=(3, 18), origin=2))
    assert calls(*outer, *inner) == [4, 5]


spans = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=12
)


@given(spans)
def test_twins_are_found_as_by_comparing_all_with_all(given_spans: list[tuple[int, int, int, int]]) -> None:
    rows = [
        row(number, 100 + parent % 2, at=(start, start + length), origin=origin)
        for number, (parent, start, length, origin) in enumerate(given_spans, start=1)
    ]
    expected = [
        one[1]
        for one in rows
        if not any(_holds(one, other) for other in rows if other[5] != one[5] and other[2] == one[2])
    ]

    assert calls(*rows) == expected


def _holds(outer: Row, inner: Row) -> bool:
    """Whether it holds the other in time; where they are equal, the one with the smaller id does."""
    if (outer[3], outer[4]) == (inner[3], inner[4]):
        return outer[1] < inner[1]
    return outer[3] <= inner[3] and inner[4] <= outer[4]


@given(st.dictionaries(st.integers(1, 8), st.integers(0, 8), min_size=1), st.randoms())
def test_any_links_end_and_the_order_of_rows_changes_nothing(links: dict[int, int], rng: random.Random) -> None:
    rows = [row(span, parent or None) for span, parent in links.items()]
    shuffled = rng.sample(rows, len(rows))

    assert sorted(calls(*rows)) == sorted(calls(*shuffled))


def test_of_thousands_of_instrumentations_around_each_other_the_innermost_is_the_call() -> None:
    rows = [row(number, 1, at=(number, 100_000 - number), origin=number) for number in range(2, 5000)]

    assert calls(*rows) == [4999]
