"""Columns without queries."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.frames import ROWS_AT_ONCE, overlaid, rows_of, text_codes, where, with_series
from otelbridge.core.arrays import nulls


def test_columns_are_replaced_where_they_are_and_added_at_the_end() -> None:
    frame = pl.DataFrame({"a": [1], "b": [2]})
    result = with_series(frame, [pl.Series("c", [3]), pl.Series("a", ["new"])])
    assert result.to_dict(as_series=False) == {"a": ["new"], "b": [2], "c": [3]}


def test_the_frame_that_was_given_stays_as_it_is() -> None:
    frame = pl.DataFrame({"a": [1]})
    with_series(frame, [pl.Series("a", [2]), pl.Series("b", [3])])
    assert frame.to_dict(as_series=False) == {"a": [1]}


@pytest.mark.parametrize("height", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE + 5])
def test_rows_of_some_columns_are_those_of_a_selection(height: int) -> None:
    rows = pl.DataFrame(
        {
            "text": pl.Series([None, "", "text"] * height, dtype=pl.String)[:height],
            "left out": pl.Series(range(height), dtype=pl.Int64),
            "id": pl.Series([1 << 127, 2, None] * height, dtype=pl.UInt128)[:height],
        }
    )
    in_pieces = pl.concat([rows[: height // 3], rows[height // 3 :]], rechunk=False)

    assert list(rows_of(in_pieces, ("id", "text"))) == rows.select("id", "text").rows()


def test_values_are_null_where_they_are_not_there() -> None:
    column = where("a", np.array([1.5, 2.5]), np.array([False, True]))
    assert (column.name, column.dtype, column.to_list()) == ("a", pl.Float64, [None, 2.5])


TEXTS = (
    st.none()
    | st.text(max_size=4)
    | st.sampled_from(["exactly 12 b", "longer than 12 bytes", "another one that is longer"])
)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), max_size=20))
def test_texts_are_laid_over_others_where_there_are_any(rows: list[tuple[str | None, str | None, bool]]) -> None:
    below = pl.Series("a", [text for text, _, _ in rows], pl.String)
    chosen = [row for row, (_, _, is_chosen) in enumerate(rows) if is_chosen]
    above = pl.Series("b", [rows[row][1] for row in chosen], pl.String)
    result = overlaid(below, np.array(chosen, np.intp), above)
    expected = [under if over is None or not is_chosen else over for under, over, is_chosen in rows]
    assert result.equals(pl.Series("a", expected, pl.String), check_names=True, null_equal=True)


def test_parts_of_columns_are_laid_over_parts_of_columns() -> None:
    texts = [f"a text of more than twelve bytes, number {i}" for i in range(6)]
    below = pl.concat([pl.Series("a", texts[:2]), pl.Series("a", texts[2:])], rechunk=False)[1:5]
    above = pl.Series("b", [None, "first, also of more bytes", "second, also of more bytes"])[1:]
    result = overlaid(below, np.array([3, 1]), above)
    assert result.to_list() == [texts[1], "second, also of more bytes", texts[3], "first, also of more bytes"]


def test_what_is_laid_over_nothing_keeps_its_nulls() -> None:
    result = overlaid(nulls("a", pl.String, 3), np.array([1, 2]), pl.Series("b", ["text", None]))
    assert result.to_list() == [None, "text", None]


def test_codes_tell_texts_apart_and_know_short_ones_again() -> None:
    texts = pl.Series(["a", "b", None, "a", "a longer text than fits", "another one that is long", "", "a"])

    codes = text_codes(texts)

    assert codes[0] == codes[3] == codes[7]
    assert codes[2] == 0
    assert len({*codes.tolist()}) == 6
