"""Columns without queries."""

from __future__ import annotations

import numpy as np
import polars as pl

from otelbridge.analysis.frames import absent, where, with_series


def test_columns_are_replaced_where_they_are_and_added_at_the_end() -> None:
    frame = pl.DataFrame({"a": [1], "b": [2]})
    result = with_series(frame, [pl.Series("c", [3]), pl.Series("a", ["new"])])
    assert result.to_dict(as_series=False) == {"a": ["new"], "b": [2], "c": [3]}


def test_the_frame_that_was_given_stays_as_it_is() -> None:
    frame = pl.DataFrame({"a": [1]})
    with_series(frame, [pl.Series("a", [2]), pl.Series("b", [3])])
    assert frame.to_dict(as_series=False) == {"a": [1]}


def test_values_are_null_where_they_are_not_there() -> None:
    column = where("a", np.array([1.5, 2.5]), np.array([False, True]))
    assert (column.name, column.dtype, column.to_list()) == ("a", pl.Float64, [None, 2.5])


def test_an_absent_column_has_its_type() -> None:
    column = absent("a", pl.String, 2)
    assert (column.name, column.dtype, column.to_list()) == ("a", pl.String, [None, None])
