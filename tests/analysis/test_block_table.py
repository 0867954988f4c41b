from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.block_table import BlockTable

SIZE = 4
CALLS = st.lists(st.lists(st.tuples(st.integers(-1, 5), st.floats(0, 100)), max_size=30), max_size=8)
Call = list[tuple[int, float]]
Blocks = list[tuple[int, list[float], float, int]]


def times_of(call: Call) -> list[float]:
    """Not in order, and different from row to row."""
    return [(row * 7) % 31 + slot / 10 for row, (slot, _) in enumerate(call)]


def blocks_of(table: BlockTable, call: Call) -> Blocks:
    slots = np.array([slot for slot, _ in call], np.int64)
    values = np.array([value for _, value in call], np.float64)
    done = table.add(slots, np.array(times_of(call)), values)
    columns = (done.slots, done.values, done.ends, done.last_rows)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def one_by_one(calls: list[Call]) -> list[Blocks]:
    waiting: dict[int, list[tuple[float, float]]] = defaultdict(list)
    expected = []
    for call in calls:
        of_call: Blocks = []
        for row, ((slot, value), time) in enumerate(zip(call, times_of(call), strict=True)):
            if slot >= 0:
                waiting[slot].append((time, value))
                if len(waiting[slot]) == SIZE:
                    times, values = zip(*waiting.pop(slot), strict=True)
                    of_call.append((slot, list(values), max(times), row))
        expected.append(of_call)
    return expected


@given(CALLS)
def test_blocks_are_those_that_values_one_by_one_would_fill(calls: list[Call]) -> None:
    table = BlockTable(6, SIZE)

    assert [blocks_of(table, call) for call in calls] == one_by_one(calls)


@given(CALLS, st.integers(0, 8))
def test_a_restored_table_goes_on_as_the_first_one_would(calls: list[Call], cut: int) -> None:
    first, saved = BlockTable(6, SIZE), {}
    for call in calls[:cut]:
        blocks_of(first, call)
        saved.update(first.changes())
    second = BlockTable(6, SIZE)
    for shard, state in saved.items():
        second.take(shard, state)

    assert [blocks_of(second, call) for call in calls[cut:]] == [blocks_of(first, call) for call in calls[cut:]]


def test_a_cleared_slot_begins_anew() -> None:
    table = BlockTable(2, SIZE)
    blocks_of(table, [(0, 1.0), (0, 2.0), (1, 5.0)])

    table.clear([0])

    blocks = blocks_of(table, [(0, 3.0)] * 4 + [(1, 6.0)] * 3)
    assert [values for _, values, _, _ in blocks] == [[3.0] * 4, [5.0, 6.0, 6.0, 6.0]]


def test_only_touched_shards_are_saved() -> None:
    table = BlockTable(1000, SIZE)
    blocks_of(table, [(0, 1.0), (999, 1.0)])
    table.changes()

    blocks_of(table, [(999, 1.0)])

    assert list(table.changes()) == [3]
