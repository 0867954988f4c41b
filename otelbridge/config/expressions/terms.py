"""What a compiled part of a condition is, and how columns, numbers and words become one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from sqlglot import exp

from otelbridge.config.expressions.functions import Kind
from otelbridge.core.schema import PARENT_SPAN_ID, SPAN_ID, TRACE_ID, Column

WORDS: Mapping[str, Mapping[str, int]] = {
    "status": {"unset": 0, "ok": 1, "error": 2},
    "kind": {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5},
}
"""Columns of numbers that may be compared with words, as OpenTelemetry names them."""

_IDS = {TRACE_ID, SPAN_ID, PARENT_SPAN_ID}
_LARGEST = 2**63 - 1  # Int64


@dataclass(frozen=True, slots=True)
class Term:
    """One value of a condition, compiled.

    Attributes:
        expression: in polars; String, Int64, Float64 or Boolean (an id keeps its own type).
        kind: what it may be compared with.
        words: what the numbers of this column are called.
        literal: the value, when it was written down.
        fractional: whether a number is Float64.
    """

    expression: pl.Expr
    kind: Kind
    words: Mapping[str, int] | None = None
    literal: str | float | None = None
    fractional: bool = False


def kind_of(column: Column) -> Kind | None:
    """What conditions take the column for; None when they cannot use it."""
    dtype = column.dtype
    if column.name in _IDS:
        return "id"
    if dtype == pl.String:
        return "string"
    if dtype == pl.Boolean:
        return "boolean"
    return "number" if dtype.is_numeric() else None


def read(column: Column, kind: Kind) -> Term:
    """The column as a term, in the widest type of its kind."""
    value = pl.col(column.name)
    if kind == "id":
        return Term(value, kind)
    if kind == "number":
        fractional = column.dtype.is_float()
        # Not strict: an unsigned number beyond Int64 is absent rather than an error in the middle of a batch.
        wide = value.cast(pl.Float64 if fractional else pl.Int64, strict=False)
        return Term(wide, kind, WORDS.get(column.name), fractional=fractional)
    return Term(value.cast(pl.String if kind == "string" else pl.Boolean), kind)


def number(text: str) -> int | float | None:
    """A number as written in SQL; None when it is none, or too large to be one."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value) or "_" in text:
        return None
    return int(text) if text.isdigit() and value < _LARGEST else value


def word(name: str, words: Mapping[str, int]) -> Term:
    """The number that a word stands for."""
    return Term(pl.lit(words[name]), "number", literal=words[name])


def string_literal(text: str) -> str:
    """Text as written in SQL."""
    return "'" + text.replace("'", "''") + "'"


def attribute_column(node: exp.Expression) -> str | None:
    """The column that `attribute('k')` or `resource('k')` reads; None when the node is neither."""
    name, arguments = str(node.this).lower(), node.expressions
    if name not in {"attribute", "resource"} or len(arguments) != 1:
        return None
    key = arguments[0]
    plain = isinstance(key, exp.Literal) and key.args.get("is_string") and key.name
    return f"{name}:{key.name}" if plain else None
