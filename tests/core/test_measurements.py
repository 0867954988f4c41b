from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.core.measurements import joined

NAME = "queue.depth"


def part(rows: list[tuple[float, str | None]], key: str = "service") -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"value": pl.Float64, key: pl.String}, orient="row")


ROWS = st.lists(
    st.tuples(st.floats(), st.none() | st.sampled_from(["", "a", "a name of more than twelve bytes"])),
    max_size=5,
)


@given(st.lists(st.tuples(ROWS, st.sampled_from(["service", "op"])), min_size=1, max_size=6))
def test_parts_are_joined_in_their_order_and_lack_what_others_have(parts: list[tuple[list[Any], str]]) -> None:
    frames = [part(rows, key) for rows, key in parts]

    one = joined((NAME, frame) for frame in frames)[NAME]

    assert one.equals(pl.concat(frames, how="diagonal"), null_equal=True)


def test_what_is_joined_stays_as_it_is() -> None:
    frames = [part([(1.0, "a")]), part([(2.0, None), (3.0, "b")])]

    joined((NAME, frame) for frame in frames)

    assert [frame.rows() for frame in frames] == [[(1.0, "a")], [(2.0, None), (3.0, "b")]]


def test_a_name_of_one_part_is_not_joined() -> None:
    frame = part([(1.0, "a")])

    assert joined([(NAME, frame), ("another", part([]))])[NAME] is frame
