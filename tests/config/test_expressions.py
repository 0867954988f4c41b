"""The language as a whole: SQLite decides what a condition means, hypothesis looks for texts that break it."""

from __future__ import annotations

import sqlite3
import string

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from otelbridge.config.expressions import Condition, ConditionText, column_names, parse
from otelbridge.config.problems import ConfigProblem
from otelbridge.core.schema import Column

COLUMNS = {
    "s": Column("s", pl.String, "", ""),
    "t.u.v": Column("t.u.v", pl.String, "", ""),
    "i": Column("i", pl.Int64, "", ""),
    "f": Column("f", pl.Float64, "", ""),
    "b": Column("b", pl.Boolean, "", ""),
    "c": Column("c", pl.Boolean, "", ""),
    "status": Column("status", pl.Int8, "", ""),
    "trace_id": Column("trace_id", pl.UInt128, "", ""),
}

texts = st.sampled_from(["s", '"t.u.v"', "lower(s)", "upper(s)", "coalesce(s, 'x')", "'ab'", "'A'", "'it''s %'", "''"])
numbers = st.recursive(
    st.sampled_from(["i", "f", "length(s)", "abs(i)", "0", "1", "-2", "2.5", "coalesce(i, 7)"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=3,
)
comparisons = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
simple = st.one_of(
    st.sampled_from(["b", "c", "TRUE", "b IS TRUE", "b IS NOT FALSE", "b = c", "(i = 1) IS NULL"]),
    st.builds("{} {} {}".format, texts, comparisons, texts),
    st.builds("{} {} {}".format, numbers, comparisons, numbers),
    st.builds("{} IS {}".format, st.one_of(texts, numbers), st.sampled_from(["NULL", "NOT NULL"])),
    st.builds("{} {} ('ab', 'A', 'b')".format, texts, st.sampled_from(["IN", "NOT IN"])),
    st.builds("{} {} (1, -2, 2.5)".format, numbers, st.sampled_from(["IN", "NOT IN"])),
    st.builds("{} {} {} AND {}".format, numbers, st.sampled_from(["BETWEEN", "NOT BETWEEN"]), numbers, numbers),
    st.builds("{} {} '{}'".format, texts, st.sampled_from(["LIKE", "NOT LIKE"]), st.text("ab%_A", max_size=4)),
    st.builds("{} LIKE '{}' ESCAPE '!'".format, texts, st.sampled_from(["!%", "a!_%", "%!!%"])),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=6,
)
rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "A", "ab", "aB%", "it's %", "_b"]),
        st.none() | st.sampled_from(["ab", "A", "x"]),
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from([-2.0, -0.5, 0.0, 1.0, 2.5, 1e300]),
        st.none() | st.booleans(),
        st.none() | st.booleans(),
    ),
    max_size=8,
)
NAMES = ["s", "t.u.v", "i", "f", "b", "c"]


@given(text=conditions, values=rows)
def test_a_condition_selects_the_rows_that_sqlite_selects(text: str, values: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(values, schema={name: COLUMNS[name].dtype for name in NAMES}, orient="row")

    ours = frame.select(parse(text, COLUMNS).expression).to_series().to_list()

    # SQLite divides whole numbers to a whole number, ours does not.
    in_sqlite = text.replace("/", "* 1.0 /")
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA case_sensitive_like = ON")
        database.execute('CREATE TABLE t (s TEXT, "t.u.v" TEXT, i REAL, f REAL, b, c)')
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", values)
        theirs = [bool(value) for (value,) in database.execute(f"SELECT ({in_sqlite}) IS TRUE FROM t ORDER BY rowid")]
    database.close()
    assert ours == theirs


PIECES = """
s t.u.v i f b c status trace_id attribute( resource( lower( coalesce( number( regexp_like( ( ) , . - + * / = <> < >
<= >= ~ AND OR NOT IS NULL IN BETWEEN LIKE ILIKE ESCAPE TRUE FALSE 'a' 'error' '(' 1 2.5 1e9 .5 "s" ' " % ; SELECT
CASE CAST :: || [ ] { } 0x1 1_0 ünï
"""
words = st.sampled_from(PIECES.split())


@given(text=st.one_of(st.text(), st.text(string.printable), st.lists(words, max_size=25).map(" ".join), conditions))
def test_any_text_is_a_condition_or_one_problem_inside_it(text: str) -> None:
    try:
        condition = parse(text, COLUMNS)
    except ConfigProblem as problem:
        found = problem
    else:
        assert condition.columns == column_names(text)
        _evaluates(condition)
        return

    assert 0 <= found.start < found.end <= max(len(text), 1)


def _evaluates(condition: Condition) -> None:
    """On nulls, on values of every kind, and on no rows at all."""
    types = {name: COLUMNS[name].dtype if name in COLUMNS else pl.String for name in condition.columns}
    some: dict[object, list[object]] = {
        pl.String: ["", "1.5"],
        pl.Int64: [-(2**63), 2**63 - 1],
        pl.Float64: [float("nan"), float("-inf")],
        pl.Boolean: [True, False],
        pl.Int8: [-128, 2],
        pl.UInt128: [0, 2**128 - 1],
    }
    for height, values in ((2, {dtype: [None, None] for dtype in some}), (2, some), (0, {dtype: [] for dtype in some})):
        columns = [pl.Series(name, values[dtype], dtype=dtype) for name, dtype in types.items()]
        frame = pl.DataFrame([pl.Series("other", [0] * height), *columns])
        result = frame.select(condition.expression).to_series()
        assert (result.dtype, len(result), result.null_count()) == (pl.Boolean, height, 0)


def test_a_setting_can_hold_a_condition() -> None:
    class Rule(BaseModel):
        any_span: ConditionText

    rule = Rule.model_validate_json('{"any_span": "i > 1"}', strict=True)

    assert isinstance(rule.any_span, ConditionText)
    assert rule.model_dump() == {"any_span": "i > 1"}
