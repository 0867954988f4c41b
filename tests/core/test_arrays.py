"""Columns survive the way to numpy and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.arrays import SHARED_ROWS, column, compact_text, is_present, items, nulls

values = st.one_of(
    st.tuples(st.just(pl.String), st.lists(st.none() | st.text(max_size=30), min_size=1)),
    st.tuples(st.just(pl.Binary), st.lists(st.none() | st.binary(max_size=30), min_size=1)),
    st.tuples(st.just(pl.Boolean), st.lists(st.none() | st.booleans(), min_size=1)),
    st.tuples(st.just(pl.Int64), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1)),
    st.tuples(st.just(pl.Float64), st.lists(st.none() | st.floats(allow_nan=False), min_size=1)),
)


@given(values, st.data())
def test_picked_items_are_the_rows_that_were_picked(given_values: tuple[Any, list[Any]], data: st.DataObject) -> None:
    dtype, rows = given_values
    start = data.draw(st.integers(0, len(rows) - 1))
    series = pl.Series("x", rows, dtype=dtype)[start:]
    picked = np.array(data.draw(st.lists(st.integers(0, len(series) - 1))), np.int64)

    made = column("x", dtype, items(series)[picked], is_present(series)[picked])

    assert made.dtype == dtype
    assert made.to_list() == [series[i] for i in picked.tolist()]


@pytest.mark.parametrize("dtype", [pl.String, pl.UInt64, pl.UInt128, pl.Boolean])
def test_what_is_null_is_not_present(dtype: Any) -> None:
    series = pl.Series([None, 1, None, 0, 1] * 3, dtype=pl.Int64).cast(dtype)

    assert is_present(series[1:]).tolist() == series[1:].is_not_null().to_list()
    assert is_present(series.drop_nulls()).all()


@given(st.lists(st.text(max_size=20)), st.integers(0, 3))
def test_compact_texts_are_the_texts(texts: list[str], start: int) -> None:
    assert compact_text("x", pa.array(texts, pa.string())[start:]).to_list() == texts[start:]


def test_a_column_of_nulls_has_the_length_and_type_that_was_asked_for() -> None:
    for length in (3, 0, SHARED_ROWS + 1, 7):
        made = nulls("x", pl.Float64, length)

        assert (made.name, made.dtype, len(made), made.null_count()) == ("x", pl.Float64, length, length)
