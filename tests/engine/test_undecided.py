"""The table of undecided traces."""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.engine.chunk import Arrival
from otelbridge.engine.undecided import NOWHERE, Undecided


def arrival(*trace_ids: int, record: int = 1) -> Arrival:
    """Spans of these traces, one row each, in one record."""
    return Arrival(
        pl.DataFrame(
            {
                "trace_id": pl.Series(trace_ids, dtype=pl.UInt128),
                "parent_span_id": pl.Series([None] * len(trace_ids), dtype=pl.UInt64),
                "record": pl.Series([record] * len(trace_ids), dtype=pl.UInt64),
                "position": pl.Series(range(len(trace_ids)), dtype=pl.UInt32),
                "raw": pl.Series([b"xy"] * len(trace_ids), dtype=pl.Binary),
            }
        )
    )


def begin(undecided: Undecided, came: Arrival) -> list[int]:
    return undecided.begin(came, np.arange(len(came.ids)), tick=1).tolist()


def test_an_arrival_adds_up_each_trace() -> None:
    came = arrival(7, 2**100, 7)

    assert came.ids == [7, 2**100]
    assert came.spans.tolist() == [2, 1]
    assert came.bytes.tolist() == [4, 2]
    assert came.of_rows.tolist() == [0, 1, 0]
    assert came.positions.tolist() == [0, 1]


def test_a_trace_is_found_until_it_leaves() -> None:
    undecided = Undecided()
    (slot,) = begin(undecided, arrival(2**127))

    assert undecided.find([2**127, 5]).tolist() == [slot, NOWHERE]
    assert 2**127 in undecided

    undecided.forget(np.array([slot]))

    assert undecided.find([2**127]).tolist() == [NOWHERE]
    assert len(undecided) == 0


def test_a_slot_that_is_used_again_knows_nothing_of_the_trace_before() -> None:
    undecided = Undecided()
    slots = np.array(begin(undecided, arrival(1, 2)))
    undecided.scatter(slots, 0)
    undecided.scatter(slots, 1)
    undecided["spans"][slots] = 5
    undecided.forget(slots)

    again = np.array(begin(undecided, arrival(3, 4)))
    undecided.scatter(again, 2)

    assert set(again.tolist()) == set(slots.tolist())
    assert undecided["spans"][again].tolist() == [0, 0]
    assert undecided.chunks_of(again) == [2]


def test_traces_know_all_chunks_that_hold_their_rows() -> None:
    undecided = Undecided()
    slots = np.array(begin(undecided, arrival(1, 2)))
    undecided.scatter(slots, 4)
    undecided.scatter(slots[:1], 6)
    undecided.scatter(slots[:1], 9)

    assert undecided.chunks_of(slots[:1]) == [4, 6, 9]
    assert undecided.chunks_of(slots[1:]) == [4]


def test_traces_are_in_the_order_in_which_they_began() -> None:
    undecided = Undecided()
    second = begin(undecided, arrival(30, 10, record=2))
    first = begin(undecided, arrival(20, record=1))

    in_order = undecided["id"][undecided.all()].tolist()

    assert in_order == [20, 30, 10]
    assert undecided.in_order(np.array([*second, *first, *second])).tolist() == undecided.all().tolist()
