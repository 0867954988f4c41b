import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.grouping import (
    MISSING,
    as_index,
    distinct,
    distinct_rows,
    find,
    flags,
    group_rows,
    group_values,
    integers,
    may_be_among,
    mix,
    number,
    sizes,
    sizes_from,
)


@given(st.lists(st.integers(0, 2**128 - 1) | st.sampled_from([1, 2, 3, 2**127]), max_size=40))
def test_groups_are_numbered_in_order_of_appearance(ids: list[int]) -> None:
    groups = group_rows(pl.Series(ids, dtype=pl.UInt128))
    distinct = list(dict.fromkeys(ids))
    assert groups.of_row.tolist() == [distinct.index(i) for i in ids]
    assert groups.first.tolist() == [ids.index(i) for i in distinct]
    assert len(groups) == len(distinct)


def test_a_null_is_a_group_of_its_own() -> None:
    assert group_rows(pl.Series(["a", None, "a", None])).of_row.tolist() == [0, 1, 0, 1]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_sizes_count_equal_keys(keys: list[int]) -> None:
    assert sizes(np.array(keys, np.uint64)).tolist() == [keys.count(key) for key in keys]


def test_a_hash_depends_on_every_column_and_on_their_order() -> None:
    left, right = np.array([1, 1, 2, 0]), np.array([1, 2, 1, 0])
    assert len(set(mix(left, right).tolist())) == 4
    assert len(number(mix(left, right))) == 4
    assert mix(3, np.array([4]))[0] != mix(4, np.array([3]))[0]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40), st.integers(1, 4))
def test_sizes_from_leaves_out_what_is_rare(keys: list[int], smallest: int) -> None:
    expected = [count if (count := keys.count(key)) >= smallest else 0 for key in keys]
    assert sizes_from(np.array(keys, np.uint64), smallest).tolist() == expected


@given(st.lists(st.integers(0, 50), max_size=20), st.lists(st.integers(0, 50), max_size=5))
def test_whatever_is_among_the_others_is_found(keys: list[int], others: list[int]) -> None:
    found = may_be_among(np.array(keys, np.uint64), np.array(others, np.uint64))
    assert found.tolist() == [key in others for key in keys]


def test_nulls_are_zero_or_false() -> None:
    assert integers(pl.Series([1, None, 3], dtype=pl.UInt64)).tolist() == [1, 0, 3]
    assert flags(pl.Series([True, None, False])).tolist() == [True, False, False]


def test_values_are_taken_in_the_order_of_the_rows() -> None:
    assert pl.Series(["a", "b", "c"])[as_index(np.array([2, 0]))].to_list() == ["c", "a"]


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([None, "", "a", "b"]), st.sampled_from([None, "a", ""])), min_size=1
    )
)
def test_rows_are_equal_when_all_their_values_are(rows: list[tuple[bool, str | None, str | None]]) -> None:
    groups = group_values([pl.Series(column) for column in zip(*rows, strict=True)])
    distinct = list(dict.fromkeys(rows))
    assert groups.of_row.tolist() == [distinct.index(row) for row in rows]
    assert groups.first.tolist() == [rows.index(row) for row in distinct]


def test_values_are_told_apart_however_many_combinations_there_could_be() -> None:
    """1,024 ** 8 is more than a key has values, and what is multiplied by it would be nothing."""
    first, other = pl.Series(np.arange(2048)), pl.Series(np.arange(2048) % 1024)
    assert len(group_values([first, *[other] * 8])) == 2048
    assert len(group_values([other] * 9)) == 1024


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_a_key_is_found_at_its_first_place(keys: list[int], among: list[int]) -> None:
    places = find(np.array(keys, np.uint64), np.array(among, np.uint64))
    assert places.tolist() == [among.index(key) if key in among else MISSING for key in keys]


@given(st.lists(st.sampled_from([None, "", "a", "b"])))
def test_different_values_stand_once_and_each_value_knows_its_own(values: list[str | None]) -> None:
    different, places = distinct(values)
    assert different == list(dict.fromkeys(values))
    assert [different[place] for place in places.tolist()] == values


@given(st.lists(st.tuples(st.sampled_from([None, "", "a"]), st.sampled_from([None, "a", "a long name of a model"]))))
def test_different_rows_stand_once_and_each_row_knows_its_own(rows: list[tuple[str | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "other": pl.String}, orient="row")
    different, places = distinct_rows(frame)
    assert different == list(dict.fromkeys(rows))
    assert [different[place] for place in places.tolist()] == rows
