from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.series import NO_SLOT, SeriesTable


def hashes(*keys: int) -> npt.NDArray[np.uint64]:
    return np.array(keys, np.uint64)


def test_a_series_keeps_its_slot() -> None:
    table = SeriesTable(10)

    first = table.assign(hashes(7, 8, 7))
    second = table.assign(hashes(8, 7, 9))

    assert first.slot_of_row.tolist() == [0, 1, 0]
    assert first.fresh == [(0, 0), (1, 1)]
    assert second.slot_of_row.tolist() == [1, 0, 2]
    assert second.fresh == [(2, 2)]


def test_the_least_recently_seen_leaves_first() -> None:
    table = SeriesTable(2)
    table.assign(hashes(1))
    table.assign(hashes(2))
    table.assign(hashes(1))

    assigned = table.assign(hashes(3))

    assert assigned.slot_of_row.tolist() == [1]
    assert table.forgotten == 1
    assert table.assign(hashes(1)).fresh == []


def test_what_is_seen_now_is_not_forgotten_for_what_is_new() -> None:
    table = SeriesTable(2)
    table.assign(hashes(1, 2))

    assigned = table.assign(hashes(1, 2, 3, 3))

    assert assigned.slot_of_row.tolist() == [0, 1, NO_SLOT, NO_SLOT]
    assert (table.refused, table.forgotten) == (2, 0)


@given(st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=12), st.integers(0, 12))
def test_a_restored_table_forgets_the_same_series(calls: list[list[int]], cut: int) -> None:
    table, slots = SeriesTable(4), {}
    for call in calls[:cut]:
        for slot, row in table.assign(hashes(*call)).fresh:
            slots[slot] = call[row]
    other = SeriesTable(4)
    other.take_state(table.state(), slots.items())

    for call in calls[cut:]:
        mine, its = table.assign(hashes(*call)), other.assign(hashes(*call))
        assert its.slot_of_row.tolist() == mine.slot_of_row.tolist()
        assert its.fresh == mine.fresh


@pytest.mark.parametrize("kept", [1, 3])
def test_a_smaller_table_takes_what_it_has_room_for(kept: int) -> None:
    table = SeriesTable(4)
    table.assign(hashes(1, 2, 3, 4))
    smaller = SeriesTable(kept)

    smaller.take_state(table.state(), [(0, 1), (1, 2), (2, 3), (3, 4)])

    assert len(smaller) == kept


def test_what_a_series_is_found_by_is_known_of_its_slot() -> None:
    table = SeriesTable(3)
    table.assign(hashes(7, 8))
    table.release([0])
    slots = table.assign(hashes(9, 8)).slot_of_row

    assert table.hashes(slots).tolist() == [9, 8]
