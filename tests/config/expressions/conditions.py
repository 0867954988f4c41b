"""A handful of columns, and rows that hold the interesting values of each."""

from __future__ import annotations

import polars as pl
import pytest

from otelbridge.config.expressions import parse
from otelbridge.config.problems import ConfigProblem
from otelbridge.core.schema import Column

COLUMNS = {
    column.name: column
    for column in (
        Column("name", pl.String, "", ""),
        Column("db.system.name", pl.String, "", ""),
        Column("user-agent", pl.String, "", ""),
        Column("duration_ms", pl.Float64, "ms", ""),
        Column("tokens", pl.Int64, "", ""),
        Column("status", pl.Int8, "", ""),
        Column("kind", pl.Int8, "", ""),
        Column("is_segment", pl.Boolean, "", ""),
        Column("trace_id", pl.UInt128, "", ""),
        Column("raw", pl.Binary, "", ""),
    )
}


def holds(text: str, **values: object) -> bool:
    """Whether the condition holds for one row; columns that are not given are null."""
    condition = parse(text, COLUMNS)
    frame = pl.DataFrame(
        {
            name: pl.Series([values.get(name.replace(".", "_").replace("-", "_"))], dtype=column.dtype)
            for name, column in COLUMNS.items()
        }
    ).with_columns(
        pl.Series(name, [values.get(name.partition(":")[2])], dtype=pl.String)
        for name in condition.columns
        if ":" in name
    )
    (result,) = frame.select(condition.expression).to_series()
    assert isinstance(result, bool)
    return result


def refused(text: str) -> tuple[str, str]:
    """What is wrong with a condition, and the part of it that is underlined."""
    with pytest.raises(ConfigProblem) as caught:
        parse(text, COLUMNS)
    return caught.value.message, text[caught.value.start : caught.value.end]
